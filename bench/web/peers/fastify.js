/** `fastify.js DATABASE PORT` */
import { DatabaseSync } from 'node:sqlite';
import view from '@fastify/view';
import ejs from 'ejs';
import fastify from 'fastify';

const [file, port] = process.argv.slice(2);
const posts = new DatabaseSync(file).prepare('SELECT * FROM posts ORDER BY id DESC LIMIT 20');
const app = fastify();
app.register(view, { engine: { ejs }, root: import.meta.dirname, production: true });
app.get('/', (request, reply) =>
  reply.view('posts.ejs', { title: 'Posts', style: '/style.css', posts: posts.all() }),
);
app.get('/hello', async () => ({ hello: 'world' }));
await app.listen({ port: Number(port), host: '127.0.0.1' });

/** `express.js DATABASE PORT` */
import { DatabaseSync } from 'node:sqlite';
import express from 'express';

const [file, port] = process.argv.slice(2);
const posts = new DatabaseSync(file).prepare('SELECT * FROM posts ORDER BY id DESC LIMIT 20');
const app = express();
app.set('views', import.meta.dirname).set('view cache', true);
app.get('/', (request, response) =>
  response.render('posts.ejs', { title: 'Posts', style: '/style.css', posts: posts.all() }),
);
app.get('/hello', (request, response) => response.json({ hello: 'world' }));
app.listen(Number(port), '127.0.0.1');

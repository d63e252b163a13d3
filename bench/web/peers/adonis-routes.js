import router from '@adonisjs/core/services/router';
import { BaseModel, column } from '@adonisjs/lucid/orm';

class Post extends BaseModel {}
column({ isPrimary: true })(Post.prototype, 'id');
for (const name of ['title', 'body', 'published']) column()(Post.prototype, name);
for (const name of ['created_at', 'updated_at'])
  column.dateTime({ columnName: name })(Post.prototype, name);

router.get('/', async ({ view }) =>
  view.render('posts', {
    title: 'Posts',
    style: '/style.css',
    posts: await Post.query().orderBy('id', 'desc').limit(20),
  }),
);
router.get('/hello', () => ({ hello: 'world' }));

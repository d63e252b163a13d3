import { controller } from 'moln';
import { Post } from '../models/post.ts';
import { PostsPage } from '../views/posts.tsx';

export const home = controller({
  index: async () => PostsPage({ posts: await Post.order('-id').limit(20).all() }),
  'GET /hello': () => ({ hello: 'world' }),
});

import type { Post } from '../models/post.ts';
import { Layout } from './layout.tsx';

export function PostsPage({ posts }: { readonly posts: readonly Post[] }) {
  return (
    <Layout title="Posts">
      <h1>Posts</h1>
      <table>
        <thead>
          <tr>
            <th>Title</th>
            <th>Body</th>
            <th>Published</th>
          </tr>
        </thead>
        <tbody>
          {posts.map((post) => (
            <tr>
              <td>
                <a href={`/posts/${post.id}`}>{post.title}</a>
              </td>
              <td>{post.body}</td>
              <td>{post.published ? 'yes' : 'no'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Layout>
  );
}

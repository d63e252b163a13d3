import { boolean, model, type RowOf, string, text } from 'moln';

export const Post = model('post', {
  title: string({ max: 120 }),
  body: text(),
  published: boolean(),
});
export type Post = RowOf<typeof Post>;

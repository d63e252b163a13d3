/** Somebody with a browser that runs no scripts: keeps cookies, follows redirects, fills in the forms of pages and sends them. */
import { formsOf, formWith, formWithButton, type PageForm } from '../src/workbench/page-forms.ts';
import type { Answer } from './http.ts';
import type { AskOptions } from './test-node.ts';

export type Send = (path: string, options: AskOptions) => Promise<Answer>;
type Filled = Readonly<Record<string, string | File>>;

export class Visitor {
  readonly #send: Send;
  #cookie = '';

  constructor(send: Send) {
    this.#send = send;
  }

  /** The page at that path. */
  async get(path: string): Promise<string> {
    return (await this.ask(path)).body;
  }

  /** Fills in the first form of that page with these fields; gives the page that comes then. */
  async submit(path: string, fields: Filled): Promise<string> {
    const form = formWith(formsOf(await this.get(path)), Object.keys(fields));
    if (form === undefined)
      throw new Error(`${path} has no form with ${Object.keys(fields).join()}`);
    return await this.#followed(await this.#sent(form, fields));
  }

  /** Presses the first button of that page with this text on it; gives the page that comes then. */
  async press(path: string, label: string, fields: Filled = {}): Promise<string> {
    return await this.#followed(await this.pressed(path, label, fields));
  }

  /** The same, and the answer to the form itself. */
  async pressed(path: string, label: string, fields: Filled = {}): Promise<Answer> {
    const page = await this.get(path);
    const found = formWithButton(formsOf(page), label);
    if (found === undefined) throw new Error(`${path} has no button "${label}": ${page}`);
    return await this.#sent(found.form, { ...fields, ...found.button.fields });
  }

  /** One request, with the visitor's cookie. */
  async ask(path: string, options: AskOptions = {}): Promise<Answer> {
    const headers = { accept: 'text/html', ...options.headers, cookie: this.#cookie };
    const answer = await this.#send(path, { ...options, headers });
    for (const line of answer.headers['set-cookie'] ?? []) this.#cookie = line.split(';')[0] ?? '';
    return answer;
  }

  async #sent(
    { action, fields: own, hasFiles, method }: PageForm,
    fields: Filled,
  ): Promise<Answer> {
    const data = hasFiles ? new FormData() : new URLSearchParams();
    for (const [name, value] of Object.entries({ ...own, ...fields }))
      data.set(name, value as string);
    const sent = new Response(data);
    const headers = { 'content-type': sent.headers.get('content-type') ?? '' };
    return await this.ask(action, { method, headers, body: await sent.bytes() });
  }

  async #followed(answer: Answer): Promise<string> {
    const { location } = answer.headers;
    return location === undefined ? answer.body : await this.get(location.replace(/#.*/, ''));
  }
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { element, Fragment, jsx, raw, renderText } from './jsx-runtime.ts';

const later = async (text: string): Promise<string> => await Promise.resolve(text);
const Bold = ({ children }: { readonly children?: unknown }): unknown => element('b', {}, children);
const Slow = async ({ name }: { readonly name: string }): Promise<unknown> =>
  element('i', {}, await later(name));
const Broken = (): unknown => {
  throw new Error('Out of order');
};
const BrokenLater = async (): Promise<unknown> => await Promise.reject(new Error('Too late'));

test('what is put into a page is escaped, in children and attributes, unless it is raw', async () => {
  const evil = `<script>"&'`;
  const safe = '&lt;script&gt;&quot;&amp;&#39;';
  const cases: readonly (readonly [unknown, string])[] = [
    [element('p', { title: evil }, evil), `<p title="${safe}">${safe}</p>`],
    [element(Bold, {}, evil, raw('<br>')), `<b>${safe}<br></b>`],
    [element('p', { dangerouslySetInnerHTML: { __html: '<i>' } }), '<p><i></p>'],
    [element('p', {}, { toString: () => evil }), `<p>${safe}</p>`],
    [element(Slow, { name: evil }), `<i>${safe}</i>`],
  ];
  for (const [node, text] of cases) assert.equal(await renderText(node), text);
});

test('elements, attributes and children are as HTML has them', async () => {
  const list = [element('li', { key: 1 }, 1), null, false, undefined, element('li', {}, 0)];
  const cases: readonly (readonly [unknown, string])[] = [
    [element('ul', {}, list), '<ul><li>1</li><li>0</li></ul>'],
    [element('br', {}), '<br/>'],
    [
      jsx('input', { disabled: true, required: false, value: undefined, 'aria-hidden': true }),
      '<input disabled="" aria-hidden="true"/>',
    ],
    [jsx('label', { className: 'a', htmlFor: 'b' }), '<label class="a" for="b"></label>'],
    [
      jsx('path', { strokeWidth: 2, viewBox: '0 0 1 1' }),
      '<path stroke-width="2" viewBox="0 0 1 1"></path>',
    ],
    [
      jsx('p', { style: { marginTop: 4, opacity: 0.5, '--x': 1, color: null } }),
      '<p style="margin-top:4px;opacity:0.5;--x:1"></p>',
    ],
    [jsx('button', { onClick: () => undefined }), '<button></button>'],
    [element(Fragment, {}, 'a', element(Fragment, {}, 'b')), 'ab'],
  ];
  for (const [node, text] of cases) assert.equal(await renderText(node), text);
  assert.throws(() => jsx('p', { 'x onload=y': 1 }), /is no name of an attribute/);
  assert.throws(() => jsx('p', { title: () => 1 }), /is a function/);
  assert.throws(() => jsx('p', { title: later('a') }), /is a promise/);
  assert.throws(() => jsx('p onload=x', {}), /is no name of an element/);
  assert.equal(await renderText(jsx('p', { constructor: 'x' })), '<p constructor="x"></p>');
});

test('components run when their turn comes, may wait at any depth, and keep their places', async () => {
  const Never = ({ children }: { readonly children?: unknown }): unknown =>
    children ? null : null;
  assert.equal(await renderText(element(Never, {}, element(Broken, {}))), '');
  const page = element(
    'p',
    {},
    'a',
    element(Slow, { name: 'b' }),
    element(Bold, {}, later('c')),
    'd',
  );
  assert.equal(await renderText(page), '<p>a<i>b</i><b>c</b>d</p>');
});

test('the first mistake is told, and no other one goes unheard', async () => {
  const page = element('p', {}, element(BrokenLater, {}), element(Broken, {}));
  await assert.rejects(renderText(page), /Too late|Out of order/);
  // One that fails before its turn, with nobody listening yet.
  const Waits = async ({ children }: { readonly children?: unknown }): Promise<unknown> => {
    await new Promise(setImmediate);
    return children;
  };
  await assert.rejects(renderText(element(Waits, {}, BrokenLater())), /Too late/);
});

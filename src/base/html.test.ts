import assert from 'node:assert/strict';
import { test } from 'node:test';
import { html, jsonScript } from './html.ts';

test('values are escaped, HTML is not escaped twice, lists are joined', () => {
  const name = `<script>alert("1" & '2')</script>`;
  assert.equal(
    html`<td title="${name}">${[html`<b>${1}</b>`, undefined, '&']}</td>`.text,
    '<td title="&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;"><b>1</b>&amp;</td>',
  );
});

test('backslashes and dollar signs are only themselves', () => {
  const value = '$1 $$ \\u003c \\n';
  assert.equal(html`<p>${value}</p>`.text, `<p>${value}</p>`);
});

test('no data can end its script element, and the data survives', () => {
  const data = { text: '</script><!-- <script>', line: '\u2028' };
  const { text } = jsonScript('data', data);
  const inner =
    /^<script type="application\/json" id="data">(.*)<\/script>$/s.exec(text)?.[1] ?? '';
  assert.doesNotMatch(inner, /</);
  assert.deepEqual(JSON.parse(inner), data);
});

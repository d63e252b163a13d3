import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HEALTH_DEFAULTS, readSettings } from './settings.ts';

test('without a moln.json, and with an empty one, there are defaults', () => {
  const settings = readSettings(undefined);
  assert.deepEqual(settings, readSettings('{}'));
  assert.deepEqual(settings.health, HEALTH_DEFAULTS);
  assert.equal(settings.processes, undefined);
});

test('a build is one command or several', () => {
  assert.deepEqual(readSettings('{"build": "make"}').build, ['make']);
  assert.deepEqual(readSettings('{"build": ["a", "b"]}').build, ['a', 'b']);
  assert.deepEqual(readSettings('{"build": []}').build, []);
});

const BROKEN: readonly (readonly [string, string, RegExp])[] = [
  ['an unknown key', '{"proceses": {}}', /"proceses": did you mean "processes"\? \(in moln.json\)/],
  ['an unknown key further down', '{"health": {"pth": "/"}}', /"health.pth": did you mean "path"/],
  ['a wrong type', '{"processes": {"web": 5}}', /"processes.web" is a number, want a string/],
  ['a wrong kind', '{"kind": "pyton"}', /"kind" is "pyton", want one of static, node/],
  ['a bad name of a process', '{"processes": {"Web": "x"}}', /"Web" in "processes"/],
  ['a duration without unit', '{"health": {"startTimeout": "30"}}', /"health.startTimeout"/],
  ['a health path without slash', '{"health": {"path": "up"}}', /"health.path" is "up"/],
  [
    'a root outside',
    '{"static": {"root": "../x"}}',
    /"static.root" is "..\/x", want a path inside/,
  ],
  ['an absolute root', '{"static": {"root": "/etc"}}', /"static.root"/],
  ['a bad name of a setting', '{"env": {"A-B": "1"}}', /"A-B" in "env"/],
  ['a domain with a scheme', '{"domains": ["https://a.example"]}', /"domains\[0\]"/],
  ['a domain with capitals', '{"domains": ["A.example"]}', /host name in lower case/],
  ['too many instances', '{"scale": {"web": 65}}', /"scale.web" is 65, want 0 to 64/],
  ['an endless stop', '{"health": {"stopTimeout": "9h"}}', /"health.stopTimeout" is "9h", want at/],
  ['an endless start', '{"health": {"startTimeout": "9h"}}', /want at most 10 min/],
  [
    'too many processes',
    JSON.stringify({
      processes: Object.fromEntries(Array.from({ length: 21 }, (_, n) => [`p${n}`, 'x'])),
    }),
    /"processes" has 21 .*at most 20/,
  ],
  ['a folder with a bad name', '{"folders": {"Up": "photos"}}', /"Up" in "folders"/],
  [
    'a folder of no bucket',
    '{"folders": {"up": "/srv"}}',
    /"folders.up" is "\/srv", want a bucket/,
  ],
  ['a folder above', '{"folders": {"up": "photos/../x"}}', /"folders.up".*want a bucket/],
  [
    'too many folders',
    JSON.stringify({
      folders: Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`f${n}`, 'photos'])),
    }),
    /"folders" has 9 entries, want at most 8/,
  ],
  ['a list instead of an object', '[]', /want an object/],
  ['a comma too many', '{"env": {},}', /moln\.json is not valid JSON/],
];

for (const [what, text, message] of BROKEN) {
  test(`${what} is an error that names it`, () => {
    assert.throws(() => readSettings(text), { code: 'CONFIG_INVALID', message });
  });
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { detect } from './detect.ts';
import { NO_TOOLS } from './tools.ts';
import type { PythonTools, Tools } from './tools.ts';
import { textView } from './tree-view.ts';

const PYTHON: PythonTools = {
  path: '/usr/bin/python3',
  version: '3.11.2',
  venv: true,
  packages: {},
};
const BARE: Tools = {
  ...NO_TOOLS,
  npm: '/usr/bin/npm',
  python: PYTHON,
  phpCgi: '/usr/bin/php-cgi',
};

interface Refusal {
  readonly what: string;
  readonly files: Readonly<Record<string, string>>;
  readonly tools?: Tools;
  readonly code: string;
  readonly message: RegExp;
  readonly hint?: RegExp;
}

const REFUSALS: readonly Refusal[] = [
  {
    what: 'a folder with nothing to run',
    files: { 'notes.txt': '', 'lib/x.c': '' },
    code: 'APPS_NOTHING_TO_DEPLOY',
    message: /looked for .*package\.json.*index\.html/,
    hint: /moln\.json/,
  },
  {
    what: 'folders for an app without processes',
    files: { 'moln.json': '{"folders": {"up": "photos"}}', 'index.html': '' },
    code: 'CONFIG_INVALID',
    message: /"folders" are for processes/,
    hint: /moln files website/,
  },
  {
    what: 'a kind that is not there',
    files: { 'moln.json': '{"kind": "php"}', 'index.html': '' },
    code: 'APPS_NOTHING_TO_DEPLOY',
    message: /as "php" \(from moln.json\)/,
  },
  {
    what: 'PHP without PHP',
    files: { 'index.php': '' },
    tools: NO_TOOLS,
    code: 'APPS_TOOL_MISSING',
    message: /PHP is not there/,
    hint: /apt-get install php-cgi/,
  },
  {
    what: 'Python without Python',
    files: { 'app.py': 'app = Flask(__name__)' },
    tools: NO_TOOLS,
    code: 'APPS_TOOL_MISSING',
    message: /Python 3 is not there/,
    hint: /apt-get install python3/,
  },
  {
    what: 'Python packages without venv',
    files: { 'app.py': 'app = Flask(__name__)', 'requirements.txt': 'flask' },
    tools: { ...BARE, python: { ...PYTHON, venv: false } },
    code: 'APPS_TOOL_MISSING',
    message: /venv/,
    hint: /python3-venv/,
  },
  {
    what: 'npm packages without npm',
    files: {
      'package.json': JSON.stringify({ scripts: { start: 'x' }, dependencies: { y: '1' } }),
    },
    tools: NO_TOOLS,
    code: 'APPS_TOOL_MISSING',
    message: /npm/,
    hint: /apt-get install npm/,
  },
  {
    what: 'composer packages without composer',
    files: { 'index.php': '', 'composer.json': '{"require": {"a/b": "1"}}' },
    code: 'APPS_TOOL_MISSING',
    message: /composer/,
  },
  {
    what: 'a package.json that is no JSON',
    files: { 'package.json': '{"scripts": }' },
    code: 'CONFIG_INVALID',
    message: /package\.json is not valid JSON/,
  },
  {
    what: 'a Procfile line without a command',
    files: { Procfile: 'web: node .\nworker\n' },
    code: 'CONFIG_INVALID',
    message: /Line 2 of Procfile/,
  },
  {
    what: 'a Procfile with one type twice',
    files: { Procfile: 'web: a\nweb: b\n' },
    code: 'CONFIG_INVALID',
    message: /"web" twice/,
  },
];

for (const { what, files, tools, code, message, hint } of REFUSALS) {
  test(`refuses ${what}`, () => {
    assert.throws(() => detect(textView(files), tools ?? BARE), {
      code,
      message,
      ...(hint === undefined ? {} : { hint }),
    });
  });
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildEnvironment } from './build-environment.ts';

const FOLDERS = { home: '/b/home', tmp: '/b/tmp', npmCache: '/c/npm', pipCache: '/c/pip' };

function environment(agent: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const input = { agent, folders: FOLDERS, node: '/opt/node/bin/node', tree: '/b/tree' };
  return buildEnvironment({ ...input, app: 'web', instance: 'web-build-1' });
}

test('only registries, proxies and their certificates get through', () => {
  const passed = {
    npm_config_registry: 'https://a.example',
    'npm_config_//a.example/:_authToken': 'token',
    NPM_CONFIG_STRICT_SSL: 'false',
    PIP_INDEX_URL: 'https://b.example',
    PIP_TRUSTED_HOST: 'b.example',
    http_proxy: 'http://p.example',
    NO_PROXY: 'localhost',
    NODE_EXTRA_CA_CERTS: '/etc/ca.pem',
    REQUESTS_CA_BUNDLE: '/etc/ca.pem',
  };
  const own = environment({});
  const found = environment({
    ...passed,
    npm_config_prefix: '/home/agent',
    npm_config_cache: '/home/agent/.npm',
    npm_config_userconfig: '/home/agent/.npmrc',
    npm_config_local_prefix: '/work',
    NPM_CONFIG_PRODUCTION: 'true',
    npm_package_name: 'moln',
    npm_lifecycle_event: 'start',
    NODE_OPTIONS: '--inspect',
    NODE_ENV: 'production',
    HOME: '/home/agent',
    PATH: '/home/agent/bin',
    SSH_AUTH_SOCK: '/x',
    DATABASE_PASSWORD: 'x',
  });
  assert.deepEqual(found, { ...passed, ...own });
});

test("the app's own programs come first, then the node of this cloud", () => {
  assert.match(
    environment({})['PATH'] ?? '',
    /^\/b\/tree\/node_modules\/\.bin:\/b\/tree\/\.venv\/bin:\/b\/tree\/vendor\/bin:\/opt\/node\/bin:\/usr\/local\/sbin:/,
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { statusOfCode } from './statuses.ts';

test('codes of all parts have their status', () => {
  const rows = [
    ['CONFIG_INVALID', 400],
    ['API_UNAUTHORIZED', 401],
    ['API_FORBIDDEN', 403],
    ['API_ORIGIN_FORBIDDEN', 403],
    ['APPS_NOT_FOUND', 404],
    ['REGISTRY_CONFLICT', 409],
    ['APPS_BUSY', 409],
    ['API_HOST_UNKNOWN', 421],
    ['API_TOO_MANY_FAILURES', 429],
    ['ACCOUNTS_TOKEN_NOT_FOUND', 404],
    ['DISK_FULL', 507],
    ['REGISTRY_FULL', 507],
    ['REGISTRY_CLOSED', 503],
    ['SQLITE_CORRUPT', 500],
    ['SQLITE_BUSY', 409],
    ['DISK_DENIED', 500],
    ['APPS_ARCHIVE_BROKEN', 400],
    ['APPS_DOMAIN_TAKEN', 409],
    ['APPS_NOTHING_TO_DEPLOY', 422],
    ['BUSYBODY', 422],
  ] as const;
  for (const [code, status] of rows) assert.equal(statusOfCode(code), status, code);
});

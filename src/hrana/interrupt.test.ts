import assert from 'node:assert/strict';
import { HttpClient } from './client-presence.ts';
import { test } from 'node:test';
import { silentLogger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import type { Database, Session } from './database.ts';
import { SqlError } from './errors.ts';
import { HranaServer } from './hrana-server.ts';

test('a statement whose client leaves is interrupted', async () => {
  const runs = Promise.withResolvers<void>();
  const stopped = Promise.withResolvers<never>();
  const never = (): Promise<never> => Promise.reject(new Error('not asked for'));
  let isClosed = false;
  const session: Session = {
    isAutocommit: true,
    execute: () => {
      runs.resolve();
      return stopped.promise;
    },
    stream: never,
    sequence: never,
    describe: never,
    interrupt: () => stopped.reject(new SqlError('SQLITE_INTERRUPT', 'interrupted')),
    close: () => {
      isClosed = true;
      return Promise.resolve();
    },
  };
  const database: Database = { openSession: () => Promise.resolve(session) };
  const authenticate = (): Promise<{ id: string; readOnly: boolean }> =>
    Promise.resolve({ id: 'ada', readOnly: false });
  await using server = new HranaServer({
    database,
    authenticate,
    clock: systemClock,
    log: silentLogger,
  });
  const client = new HttpClient();
  const body = { requests: [{ type: 'execute', stmt: { sql: 'SELECT 1' } }] };
  const answer = server.answer({
    method: 'POST',
    path: 'v3/pipeline',
    authorization: undefined,
    readBody: () => Promise.resolve(Buffer.from(JSON.stringify(body))),
    client,
  });
  await runs.promise;
  client.leave();
  await answer;
  assert.equal(isClosed, true);
  assert.equal(server.open.streams, 0);
});

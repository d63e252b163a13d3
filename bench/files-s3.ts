/**
 * `npm run bench -- files s3`: small objects over S3, with a file process and a database process of their own, both copies on this disk.
 * Options: `--count N`, `--clients N`, `--warm N` (requests before those that count: until then compiling is what is measured), `--profile DIR`
 * (CPU profiles of both processes).
 */
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  ALGORITHM,
  basicTime,
  canonicalRequest,
  EMPTY_SHA256,
  scopeText,
  sign,
  signingKey,
  stringToSign,
} from '../src/base/aws-signature.ts';
import { summarizeProfiles } from './profile.ts';
import { cpuSeconds } from './tools.ts';

const BODY: Buffer = Buffer.alloc(4096, 'x');
const KEY = { id: 'MKBENCH', secret: 'secret-of-the-bench' };
const BUCKET = 'bench';

interface Ready {
  readonly port: number;
  readonly databasePid: number;
}

export async function benchS3(options: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...options],
    options: {
      count: { type: 'string', default: '10000' },
      clients: { type: 'string', default: '64' },
      warm: { type: 'string', default: '5000' },
      profile: { type: 'string' },
    },
  });
  const { profile } = values;
  const child = fork(
    join(import.meta.dirname, 'files-s3-main.ts'),
    [KEY.id, KEY.secret, BUCKET],
    profile === undefined
      ? {}
      : { env: { ...process.env, NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profile}` } },
  );
  const [ready] = (await once(child, 'message')) as [Ready];
  const pids = [child.pid ?? 0, ready.databasePid, process.pid];
  const warm = Number(values.warm);
  const count = Number(values.count);
  const clients = Number(values.clients);
  for (const [name, method] of [
    ['puts', 'PUT'],
    ['gets', 'GET'],
  ] as const) {
    const requests = Array.from({ length: warm + count }, (_, at) =>
      signedRequest({
        method,
        path: `/${BUCKET}/folder-${at % 100}/object-${at}`,
        host: `127.0.0.1:${ready.port}`,
        key: KEY,
      }),
    );
    await send(requests.slice(0, warm), clients, ready.port);
    const before = pids.map(cpuSeconds);
    const start = performance.now();
    await send(requests.slice(warm), clients, ready.port);
    const seconds = (performance.now() - start) / 1000;
    const [file, database, load] = pids.map((pid, at) =>
      (((cpuSeconds(pid) - (before[at] ?? 0)) * 1000) / count).toFixed(2),
    );
    console.log(
      `4 KiB over S3, ${clients} clients: ${Math.round(count / seconds)} ${name}/s; CPU of each: ` +
        `file process ${file} ms, database process ${database} ms, clients ${load} ms`,
    );
  }
  child.disconnect();
  await once(child, 'exit');
  if (profile !== undefined) console.log(await summarizeProfiles(profile));
}

export interface S3Ask {
  readonly method: 'PUT' | 'GET';
  /** With the bucket. */
  readonly path: string;
  readonly host: string;
  readonly key: { readonly id: string; readonly secret: string };
}

export function signedRequest(ask: S3Ask): Buffer {
  if (ask.method === 'GET') return signedHead(ask, { length: 0, sha256: EMPTY_SHA256 });
  return Buffer.concat([signedHead(ask, { length: BODY.length, sha256: bodyHash }), BODY]);
}

/** Signed as clients of S3 do, with the SHA-256 (hex) of the body that follows. */
export function signedHead(
  { method, path, host, key }: S3Ask,
  body: { readonly length: number; readonly sha256: string },
): Buffer {
  const time = basicTime(Date.now());
  const scope = { date: time.slice(0, 8), region: 'us-east-1', service: 's3' };
  const headers = {
    host,
    'x-amz-content-sha256': body.sha256,
    'x-amz-date': time,
  };
  const signedHeaders = Object.keys(headers);
  const canonical = canonicalRequest({
    method,
    path,
    query: [],
    headers,
    signedHeaders,
    payloadHash: body.sha256,
  });
  const signature = sign(signingKey(key.secret, scope), stringToSign(time, scope, canonical));
  const lines = [
    `${method} ${path} HTTP/1.1`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    `content-length: ${body.length}`,
    `authorization: ${ALGORITHM} Credential=${key.id}/${scopeText(scope)}, SignedHeaders=${signedHeaders.join(';')}, Signature=${signature}`,
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
}

const bodyHash: string = createHash('sha256').update(BODY).digest('hex');

/** Each client sends its next one when the answer is there. */
async function send(requests: readonly Buffer[], clients: number, port: number): Promise<void> {
  let next = 0;
  const one = async (): Promise<void> => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    try {
      await once(socket, 'connect');
      for (let request = requests[next++]; request !== undefined; request = requests[next++]) {
        await answered(socket, request);
      }
    } finally {
      socket.destroy();
    }
  };
  await Promise.all(Array.from({ length: clients }, one));
}

/** Throws what the answer says when it is not 200, and when a get has other bytes. */
export async function answered(socket: Socket, request: Buffer): Promise<void> {
  const isGet = request.subarray(0, 3).equals(Buffer.from('GET'));
  socket.write(request);
  const pieces: Buffer[] = [];
  for (;;) {
    const [piece] = (await once(socket, 'data')) as [Buffer];
    pieces.push(piece);
    const all = pieces.length === 1 ? piece : Buffer.concat(pieces);
    const end = all.indexOf('\r\n\r\n');
    if (end < 0) continue;
    const head = all.toString('latin1', 0, end);
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1]);
    const body = all.subarray(end + 4);
    if (body.length < length) continue;
    if (!head.startsWith('HTTP/1.1 200')) throw new Error(`${head}\n${body.toString()}`);
    if (isGet && !body.equals(BODY)) throw new Error('An object has other bytes than were put');
    return;
  }
}

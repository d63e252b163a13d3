/**
 * A server that speaks MongoDB's wire protocol (OP_MSG, and OP_QUERY for the greeting) for the few commands that the cache sends: the
 * official driver cannot tell it from a real one. It keeps everything in memory, as BSON, and can be away or refuse.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { deserialize, type Document, Long, serialize } from 'bson';

const OP_REPLY = 1;
const OP_QUERY = 2004;
const OP_MSG = 2013;
const HEADER_BYTES = 16;
const DUPLICATE = 11_000;

export class MongoServer implements AsyncDisposable {
  /** By collection, by id. */
  readonly collections: Map<string, Map<unknown, Buffer>> = new Map();
  /** Writes are answered with an error. */
  refusesWrites = false;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor() {
    this.#server = createServer((socket) => this.#accept(socket));
  }

  static async start(): Promise<MongoServer> {
    const made = new MongoServer();
    await made.listen(0);
    return made;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `mongodb://127.0.0.1:${this.port}/?directConnection=true`;
  }

  async listen(port: number): Promise<void> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  /** Whoever is connected loses it; nobody can connect until `listen`. */
  async goAway(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }

  /** Of all documents. */
  get bytes(): number {
    let bytes = 0;
    for (const documents of this.collections.values()) {
      for (const one of documents.values()) bytes += one.length;
    }
    return bytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.goAway();
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    let rest = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= HEADER_BYTES && rest.length >= rest.readInt32LE(0)) {
        const message = rest.subarray(0, rest.readInt32LE(0));
        rest = rest.subarray(message.length);
        socket.write(this.#answer(message));
      }
    });
  }

  #answer(message: Buffer): Buffer {
    const opcode = message.readInt32LE(12);
    const request = message.readInt32LE(4);
    if (opcode === OP_QUERY) {
      const start = message.indexOf(0, HEADER_BYTES + 4) + 1 + 8;
      const reply = serialize(this.#run(read(message, start)));
      const front = Buffer.alloc(20);
      front.writeInt32LE(1, 16);
      return framed(OP_REPLY, request, [front, reply]);
    }
    if (opcode !== OP_MSG) throw new Error(`Opcode ${opcode} is not spoken here`);
    const reply = serialize(this.#run(commandIn(message)));
    return framed(OP_MSG, request, [Buffer.alloc(5), reply]);
  }

  #run(command: Document): Document {
    const [name = ''] = Object.keys(command);
    switch (name.toLowerCase()) {
      case 'hello':
      case 'ismaster':
        return {
          ismaster: true,
          isWritablePrimary: true,
          helloOk: true,
          maxBsonObjectSize: 16 * 1024 * 1024,
          maxMessageSizeBytes: 48_000_000,
          maxWriteBatchSize: 100_000,
          minWireVersion: 0,
          maxWireVersion: 21,
          readOnly: false,
          ok: 1,
        };
      case 'ping':
      case 'endsessions':
        return { ok: 1 };
      case 'find':
        return this.#find(command);
      default:
        return this.refusesWrites
          ? { ok: 0, code: 14_031, errmsg: 'no disk space' }
          : this.#write(name, command);
    }
  }

  #of(name: unknown): Map<unknown, Buffer> {
    const key = String(name);
    const known = this.collections.get(key) ?? new Map<unknown, Buffer>();
    this.collections.set(key, known);
    return known;
  }

  /** By ids where the filter names some, as a real one does. */
  #fitting(name: unknown, filter: Document): Document[] {
    const documents = this.#of(name);
    const wanted: unknown = filter['_id'];
    const ids = wanted === undefined ? [...documents.keys()] : amongOf(wanted);
    return ids
      .flatMap((id) => documents.get(id) ?? [])
      .map((bytes) => read(bytes, 0))
      .filter((one) => fits(one, filter));
  }

  #find({ find, filter, projection, limit, $db }: Document): Document {
    const hidden = Object.entries((projection ?? {}) as Document).filter(
      ([, shown]) => shown === 0,
    );
    const found = this.#fitting(find, filter as Document)
      .slice(0, Number(limit ?? 0) || undefined)
      .map((one) => {
        for (const [field] of hidden) delete one[field];
        return one;
      });
    return { cursor: { firstBatch: found, id: Long.ZERO, ns: `${$db}.${find}` }, ok: 1 };
  }

  #write(name: string, command: Document): Document {
    const documents = this.#of(command[name]);
    if (name === 'insert') {
      const writeErrors: Document[] = [];
      for (const [index, one] of (command['documents'] as Document[]).entries()) {
        if (documents.has(one['_id'])) {
          writeErrors.push({ index, code: DUPLICATE, errmsg: 'E11000 duplicate key error' });
          break;
        }
        documents.set(one['_id'], Buffer.from(serialize(one)));
      }
      const n = (command['documents'] as Document[]).length - writeErrors.length;
      return { n, ok: 1, ...(writeErrors.length === 0 ? {} : { writeErrors }) };
    }
    if (name === 'delete') {
      let n = 0;
      for (const { q } of command['deletes'] as Document[]) {
        for (const { _id } of this.#fitting(command[name], q as Document)) {
          documents.delete(_id);
          n++;
        }
      }
      return { n, ok: 1 };
    }
    if (name === 'update') {
      let n = 0;
      for (const { q, u } of command['updates'] as Document[]) {
        for (const one of this.#fitting(command[name], q as Document)) {
          n++;
          const changed = { ...one, ...(u as Document)['$set'] };
          documents.set(one['_id'], Buffer.from(serialize(changed)));
        }
      }
      return { n, nModified: n, ok: 1 };
    }
    throw new Error(`Command "${name}" is not spoken here`);
  }
}

function read(bytes: Buffer, from: number): Document {
  const length = bytes.readInt32LE(from);
  return deserialize(bytes.subarray(from, from + length), { promoteBuffers: true });
}

/** The body, and sequences of documents beside it, as one command. */
function commandIn(message: Buffer): Document {
  let command: Document = {};
  const lists: Document = {};
  for (let at = HEADER_BYTES + 4; at < message.length;) {
    const kind = message[at++];
    const length = message.readInt32LE(at);
    if (kind === 0) command = read(message, at);
    else {
      const nameEnd = message.indexOf(0, at + 4);
      const list: Document[] = [];
      for (let one = nameEnd + 1; one < at + length; one += message.readInt32LE(one)) {
        list.push(read(message, one));
      }
      lists[message.toString('utf8', at + 4, nameEnd)] = list;
    }
    at += length;
  }
  return { ...command, ...lists };
}

function framed(opcode: number, responseTo: number, parts: readonly Uint8Array[]): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  const body = Buffer.concat(parts);
  header.writeInt32LE(HEADER_BYTES + body.length, 0);
  header.writeInt32LE(responseTo, 8);
  header.writeInt32LE(opcode, 12);
  return Buffer.concat([header, body]);
}

/** Equality, and `$in`. */
function fits(one: Document, filter: Document): boolean {
  return Object.entries(filter).every(([field, wanted]) => {
    return amongOf(wanted).includes(one[field]);
  });
}

function amongOf(wanted: unknown): readonly unknown[] {
  return (wanted as { readonly $in?: readonly unknown[] } | null)?.$in ?? [wanted];
}

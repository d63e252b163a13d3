/** The official driver of MongoDB, which is loaded when a cache is configured that way, and the little that is asked of it. */
import type { Document } from 'mongodb';

export type MongoDocument = Document & { readonly _id: string };

/** Throws what the driver says. */
export interface MongoCollection {
  findOne(filter: object): Promise<Document | null>;
  find(filter: object, options: { readonly projection: object }): AsyncIterable<Document>;
  insertMany(documents: readonly MongoDocument[]): Promise<unknown>;
  updateOne(filter: object, update: object): Promise<{ readonly matchedCount: number }>;
  deleteMany(filter: object): Promise<unknown>;
}

export interface MongoConnection {
  /** What is under a key: one document each. */
  readonly records: MongoCollection;
  /** Bytes of bodies. */
  readonly blocks: MongoCollection;
  /** Which process a name belongs to. */
  readonly claims: MongoCollection;
  close(): Promise<void>;
}

export interface MongoPlace {
  /** `mongodb://…`, with a password perhaps: never to be shown. */
  readonly url: string;
  readonly database: string;
}

/** For a server to be found, and for one answer. */
const ANSWER_WITHIN_MS = 3000;
const CONNECTIONS_MAX = 8;

/** Throws when there is no server, or it does not let us in. */
export async function connectMongo({ url, database }: MongoPlace): Promise<MongoConnection> {
  const { MongoClient } = await import('mongodb');
  const client = new MongoClient(url, {
    appName: 'moln',
    serverSelectionTimeoutMS: ANSWER_WITHIN_MS,
    connectTimeoutMS: ANSWER_WITHIN_MS,
    socketTimeoutMS: ANSWER_WITHIN_MS,
    maxPoolSize: CONNECTIONS_MAX,
    promoteBuffers: true,
    retryWrites: false,
  });
  try {
    await client.connect();
    const db = client.db(database);
    await db.command({ ping: 1 });
    const collectionOf = (name: string): MongoCollection =>
      db.collection<MongoDocument>(`moln-cache-${name}`);
    return {
      records: collectionOf('records'),
      blocks: collectionOf('blocks'),
      claims: collectionOf('claims'),
      close: () => client.close(),
    };
  } catch (error) {
    await client.close();
    throw error;
  }
}

/** A document of that id is there already. */
export function isDuplicate(error: unknown): boolean {
  return error instanceof Error && (error as { readonly code?: unknown }).code === 11_000;
}

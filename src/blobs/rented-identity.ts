/**
 * Whose a rented storage is: its file `NODE`, as of a folder of this machine (`identity.ts`); and how its folders are named. Without that file
 * it is away, never empty.
 */
import { randomId } from '../base/ids.ts';
import { away, invalid } from './errors.ts';
import type { RentedFolder } from './rented-folder.ts';
import { SEALED_BLOCK_BYTES } from './sealed-file.ts';

export interface Identity {
  readonly format: number;
  readonly node: string;
  readonly id: string;
}

export interface Expected {
  readonly url: string;
  readonly folder: string;
  readonly nodeId: string;
  /** Undefined: any of this node. */
  readonly id: string | undefined;
  /** It may be made when nothing is there. */
  readonly isNew: boolean;
}

const FORMAT = 1;
const IDENTITY_BYTES_MAX = 4096;
const ID_CHARACTERS = 12;
const FOLDERS: readonly string[] = ['t', 'd', 'q'];
/** Of ids, by which blobs are spread over folders. */
export const PREFIX_DIGITS = 2;
export const PREFIXES: readonly string[] = Array.from({ length: 16 ** PREFIX_DIGITS }, (_, at) =>
  at.toString(16).padStart(PREFIX_DIGITS, '0'),
);

/** Throws `BLOBS_AWAY` when it is not the one that is expected, `BLOBS_INVALID` when it cannot be made one. */
export async function identify(session: RentedFolder, expected: Expected): Promise<Identity> {
  const { url, folder, nodeId, id, isNew } = expected;
  const path = `${folder}/NODE`;
  if ((await session.size(path)) === undefined) {
    if (!isNew) throw away(url, 'it has no file "NODE", as if it was another folder');
    await make(session, expected);
  }
  // Also of one that was just made: another node may have been faster.
  const found = readIdentity(await wholeOf(session, path, IDENTITY_BYTES_MAX));
  if (found === undefined || found.format > FORMAT) throw away(url, 'its file "NODE" is damaged');
  if (found.node !== nodeId) throw away(url, `it belongs to node "${found.node}"`);
  if (id !== undefined && found.id !== id)
    throw away(url, `it is back end "${found.id}", not "${id}"`);
  return found;
}

/** Whose it is afterwards, its file says. */
async function make(session: RentedFolder, { url, folder, nodeId }: Expected): Promise<void> {
  await session.makeFolder(folder);
  if (!(await isFree(session, folder)))
    throw invalid(`"${url}" is not empty, and no storage of Moln`);
  for (const name of FOLDERS) await session.makeFolder(`${folder}/${name}`);
  await Promise.all(PREFIXES.map((prefix) => session.makeFolder(`${folder}/d/${prefix}`)));
  const identity = { format: FORMAT, node: nodeId, id: randomId(ID_CHARACTERS) };
  const text = Buffer.from(`${JSON.stringify(identity)}\n`);
  if (!(await session.claim(`${folder}/NODE`, text))) return;
  for (const { name } of await session.list(folder))
    if (isHalf(name)) await session.remove(`${folder}/${name}`);
}

/** Of a claim that broke off. */
function isHalf(name: string): boolean {
  return name.startsWith('NODE.new');
}

/** Empty, but for what making one of it left that broke off. */
async function isFree(session: RentedFolder, folder: string): Promise<boolean> {
  const names = (await session.list(folder)).map(({ name }) => name);
  if (names.some((name) => !isHalf(name) && !FOLDERS.includes(name))) return false;
  const listed = async (path: string): Promise<readonly string[]> =>
    (await session.list(`${folder}/${path}`)).map(({ name }) => name);
  const left = names.filter((name) => FOLDERS.includes(name));
  const inside = await Promise.all(
    left.map(async (name) => (await listed(name)).map((one) => `${name}/${one}`)),
  );
  const prefixes = inside.flat();
  if (prefixes.some((path) => !PREFIXES.includes(path.replace(/^d\//, '')))) return false;
  const blobs = await Promise.all(prefixes.map(listed));
  return blobs.flat().length === 0;
}

/** Bytes of a file from `start` on, up to `end` or as many as there are. */
export async function wholeOf(
  session: RentedFolder,
  path: string,
  end: number,
  start = 0,
): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const how = { pieceBytes: SEALED_BLOCK_BYTES, atOnce: 1 };
  for await (const piece of session.read(path, { start, end }, how)) pieces.push(piece);
  return Buffer.concat(pieces);
}

function readIdentity(bytes: Buffer): Identity | undefined {
  try {
    const { format, node, id } = JSON.parse(bytes.toString()) as Partial<Identity>;
    const isOne = typeof format === 'number' && typeof node === 'string' && typeof id === 'string';
    return isOne ? { format, node, id } : undefined;
  } catch {
    return undefined;
  }
}

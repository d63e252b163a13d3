/** Access control lists: canned ones, those of `x-amz-grant-` fields and of documents; what they allow. Pure. */
import { element, escapeText, XML_HEAD } from '../xml/xml.ts';
import {
  childNamed,
  childrenNamed,
  readRoot,
  S3_NAMESPACE,
  textIn,
  type XmlElement,
} from './document.ts';
import { invalidArgument, S3Error } from './errors.ts';

export type Permission = 'FULL_CONTROL' | 'READ' | 'WRITE' | 'READ_ACP' | 'WRITE_ACP';

export type Grantee =
  | { readonly kind: 'user'; readonly id: string }
  | { readonly kind: 'group'; readonly uri: string };

export interface Grant {
  readonly grantee: Grantee;
  readonly permission: Permission;
}

export interface Acl {
  readonly owner: string;
  readonly grants: readonly Grant[];
}

/** Somebody as documents name them. */
export interface Person {
  readonly id: string;
  readonly name: string;
}

export type FindPerson = (idOrEmail: string) => Promise<Person | undefined>;

export const ALL_USERS = 'http://acs.amazonaws.com/groups/global/AllUsers';
export const AUTHENTICATED_USERS = 'http://acs.amazonaws.com/groups/global/AuthenticatedUsers';
export const LOG_DELIVERY = 'http://acs.amazonaws.com/groups/s3/LogDelivery';
const GROUPS: ReadonlySet<string> = new Set([ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY]);
const PERMISSIONS: readonly Permission[] = [
  'FULL_CONTROL',
  'READ',
  'WRITE',
  'READ_ACP',
  'WRITE_ACP',
];
const GRANTS_MAX = 100;
const XSI = 'http://www.w3.org/2001/XMLSchema-instance';

function group(uri: string, permission: Permission): Grant {
  return { grantee: { kind: 'group', uri }, permission };
}

function user(id: string, permission: Permission): Grant {
  return { grantee: { kind: 'user', id }, permission };
}

const CANNED = {
  private: () => [],
  'public-read': () => [group(ALL_USERS, 'READ')],
  'public-read-write': () => [group(ALL_USERS, 'READ'), group(ALL_USERS, 'WRITE')],
  'authenticated-read': () => [group(AUTHENTICATED_USERS, 'READ')],
  'aws-exec-read': () => [],
  'bucket-owner-read': (owner: string) => [user(owner, 'READ')],
  'bucket-owner-full-control': (owner: string) => [user(owner, 'FULL_CONTROL')],
  'log-delivery-write': () => [group(LOG_DELIVERY, 'WRITE'), group(LOG_DELIVERY, 'READ_ACP')],
} satisfies Readonly<Record<string, (bucketOwner: string) => readonly Grant[]>>;

export function cannedAcl(name: string, owner: string, bucketOwner: string): Acl {
  if (!Object.hasOwn(CANNED, name)) throw invalidArgument('', 'x-amz-acl', name);
  const more = CANNED[name as keyof typeof CANNED](bucketOwner);
  const groups = more.filter(({ grantee }) => grantee.kind === 'group');
  const others = more.filter(({ grantee }) => grantee.kind === 'user' && grantee.id !== owner);
  // Groups come first: clients compare lists in order.
  return { owner, grants: [...groups, user(owner, 'FULL_CONTROL'), ...others] };
}

export function privateAcl(owner: string): Acl {
  return { owner, grants: [user(owner, 'FULL_CONTROL')] };
}

const GRANT_FIELDS: Readonly<Record<string, Permission>> = {
  'x-amz-grant-read': 'READ',
  'x-amz-grant-write': 'WRITE',
  'x-amz-grant-read-acp': 'READ_ACP',
  'x-amz-grant-write-acp': 'WRITE_ACP',
  'x-amz-grant-full-control': 'FULL_CONTROL',
};

/** The list that the fields of a request ask for; undefined when they ask for none. */
export async function aclOfHeaders(
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
  who: { readonly owner: string; readonly bucketOwner: string },
  find: FindPerson,
): Promise<Acl | undefined> {
  const canned = headers['x-amz-acl'];
  const grants: Grant[] = [];
  for (const [name, permission] of Object.entries(GRANT_FIELDS)) {
    const value = headers[name];
    if (typeof value !== 'string') continue;
    for (const text of value.split(',')) {
      grants.push({ grantee: await granteeOfField(text, find), permission });
    }
  }
  if (typeof canned === 'string') {
    if (grants.length > 0) {
      throw new S3Error(
        'InvalidRequest',
        'Specifying both Canned ACLs and Header Grants is not allowed',
      );
    }
    return cannedAcl(canned, who.owner, who.bucketOwner);
  }
  if (grants.length > GRANTS_MAX) throw new S3Error('MalformedACLError');
  return grants.length === 0 ? undefined : { owner: who.owner, grants };
}

/** `id="…"`, `uri="…"` or `emailAddress="…"`. */
async function granteeOfField(text: string, find: FindPerson): Promise<Grantee> {
  const [, kind, value = ''] = /^\s*(id|uri|emailAddress)\s*=\s*"?([^"]*)"?\s*$/i.exec(text) ?? [];
  switch (kind?.toLowerCase()) {
    case 'id':
      return byId(value, find);
    case 'uri':
      return byUri(value);
    case 'emailaddress':
      return byEmail(value, find);
    default:
      throw invalidArgument('Argument format not recognized', 'x-amz-grant', text);
  }
}

async function byId(id: string, find: FindPerson): Promise<Grantee> {
  const person = await find(id);
  if (person === undefined) throw invalidArgument('Invalid id', 'CanonicalUser/ID', id);
  return { kind: 'user', id: person.id };
}

async function byEmail(email: string, find: FindPerson): Promise<Grantee> {
  const person = await find(email);
  if (person === undefined) throw new S3Error('UnresolvableGrantByEmailAddress');
  return { kind: 'user', id: person.id };
}

function byUri(uri: string): Grantee {
  if (!GROUPS.has(uri)) throw invalidArgument('Invalid group uri', 'Group/URI', uri);
  return { kind: 'group', uri };
}

/** An AccessControlPolicy document. Its owner must be who the owner is. */
export async function parseAcl(bytes: Uint8Array, owner: string, find: FindPerson): Promise<Acl> {
  const root = readRoot(bytes, 'AccessControlPolicy');
  const said = childNamed(root, 'Owner');
  const list = childNamed(root, 'AccessControlList');
  if (said === undefined || list === undefined) throw new S3Error('MalformedACLError');
  if (textIn(said, 'ID') !== owner) throw new S3Error('AccessDenied');
  return { owner, grants: await grantsIn(list, find) };
}

/** The elements `Grant` in another. */
export async function grantsIn(list: XmlElement, find: FindPerson): Promise<readonly Grant[]> {
  const grants: Grant[] = [];
  for (const one of childrenNamed(list, 'Grant')) {
    const permission = PERMISSIONS.find((name) => name === textIn(one, 'Permission'));
    const grantee = childNamed(one, 'Grantee');
    if (permission === undefined || grantee === undefined) throw new S3Error('MalformedACLError');
    grants.push({ grantee: await granteeOf(grantee, find), permission });
  }
  if (grants.length > GRANTS_MAX) throw new S3Error('MalformedACLError');
  return grants;
}

async function granteeOf(from: XmlElement, find: FindPerson): Promise<Grantee> {
  const type = from.attributes.find(({ name, namespace }) => name === 'type' && namespace === XSI);
  switch (type?.value) {
    case 'CanonicalUser':
      return byId(textIn(from, 'ID') ?? '', find);
    case 'Group':
      return byUri(textIn(from, 'URI') ?? '');
    case 'AmazonCustomerByEmail':
      return byEmail(textIn(from, 'EmailAddress') ?? '', find);
    default:
      throw new S3Error('MalformedACLError');
  }
}

export async function printAcl(acl: Acl, find: FindPerson): Promise<string> {
  return (
    `${XML_HEAD}<AccessControlPolicy xmlns="${S3_NAMESPACE}"><Owner>${await named(acl.owner, find)}</Owner>` +
    `<AccessControlList>${await printGrants(acl.grants, find)}</AccessControlList></AccessControlPolicy>`
  );
}

export async function printGrants(grants: readonly Grant[], find: FindPerson): Promise<string> {
  let text = '';
  for (const { grantee, permission } of grants) {
    const [type, inside] =
      grantee.kind === 'user'
        ? ['CanonicalUser', await named(grantee.id, find)]
        : ['Group', `<URI>${escapeText(grantee.uri)}</URI>`];
    text +=
      `<Grant><Grantee xmlns:xsi="${XSI}" xsi:type="${type}">${inside}</Grantee>` +
      `<Permission>${permission}</Permission></Grant>`;
  }
  return text;
}

async function named(id: string, find: FindPerson): Promise<string> {
  return `${element('ID', id)}${element('DisplayName', (await find(id))?.name ?? id)}`;
}

/** `caller` undefined is nobody in particular. The owner may always read and change the list itself. */
export function aclAllows(
  acl: Acl,
  caller: string | undefined,
  permission: Permission,
  options: { readonly ignorePublic?: boolean } = {},
): boolean {
  if (caller === acl.owner && (permission === 'READ_ACP' || permission === 'WRITE_ACP'))
    return true;
  return acl.grants.some((grant) => {
    if (grant.permission !== permission && grant.permission !== 'FULL_CONTROL') return false;
    const { grantee } = grant;
    if (grantee.kind === 'user') return grantee.id === caller;
    if (options.ignorePublic === true) return false;
    if (grantee.uri === ALL_USERS) return true;
    return grantee.uri === AUTHENTICATED_USERS && caller !== undefined;
  });
}

export function isPublicAcl(acl: Acl): boolean {
  return acl.grants.some(
    ({ grantee }) =>
      grantee.kind === 'group' &&
      (grantee.uri === ALL_USERS || grantee.uri === AUTHENTICATED_USERS),
  );
}

/** Bucket policies: checked when they are put, and weighed for a request. Pure. */
import {
  conditionHolds,
  type Conditions,
  asksForValues,
  comparesAddresses,
  comparesPatterns,
  type ConditionContext,
  isAddressRange,
  isConditionOperator,
} from './policy-conditions.ts';
import { S3Error } from './errors.ts';
import { isAction } from './policy-actions.ts';
import { isConditionKey } from './policy-keys.ts';
import { hasVariables, withVariables } from './policy-variables.ts';
import { matchesWild } from './wildcard.ts';

export interface Statement {
  readonly id: string | undefined;
  readonly effect: 'Allow' | 'Deny';
  readonly principals: readonly string[];
  readonly exceptPrincipals: boolean;
  readonly actions: readonly string[];
  readonly exceptActions: boolean;
  readonly resources: readonly string[];
  readonly exceptResources: boolean;
  readonly conditions: Conditions;
  readonly hasVariables: boolean;
}

export interface Policy {
  readonly statements: readonly Statement[];
  /** The first field beside those that a policy has. */
  readonly unknown?: string | undefined;
}

export interface PolicyQuestion {
  /** Undefined is nobody in particular. */
  readonly caller: string | undefined;
  /** In place of a caller: what of the cloud itself asks, such as `logging.s3.amazonaws.com`. */
  readonly service?: string;
  /** `s3:GetObject`. */
  readonly action: string;
  /** `bucket` or `bucket/key`. */
  readonly resource: string;
  readonly context: ConditionContext;
}

export type PolicyVerdict = 'allow' | 'deny' | 'none';

const POLICY_BYTES_MAX = 20_480;
const VERSIONS: ReadonlySet<unknown> = new Set(['2012-10-17', '2008-10-17', undefined]);
const POLICY_KEYS: ReadonlySet<string> = new Set(['Version', 'Id', 'Statement']);
const STATEMENT_KEYS: ReadonlySet<string> = new Set(
  'Sid Effect Principal NotPrincipal Action NotAction Resource NotResource Condition'.split(' '),
);
const ARN = 'arn:aws:s3:::';
const SOMEBODY = /^[^\s*?]+$/;
const SERVICE_NAME = /^[a-z0-9-]+(?:\.[a-z0-9-]+)+$/;
const PRINCIPAL_ARN =
  /^arn:aws[a-z-]*:(?:iam::[^:\s*?]*:(?:root|(?:user|role)\/[^\s*?]+)|iam::cloudfront:user\/CloudFront Origin Access Identity [A-Z0-9]+|sts::[^:\s*?]*:(?:assumed-role|federated-user)\/[^\s*?]+)$/;
/** Before principals that are services; no id of anybody has a space. */
const SERVICE = 'service ';

function bad(message: string): never {
  throw new S3Error('MalformedPolicy', message);
}

/** Throws MalformedPolicy. */
export function parsePolicy(text: string, bucket: string): Policy {
  if (Buffer.byteLength(text) > POLICY_BYTES_MAX) bad('Policies must be at most 20480 bytes');
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw new S3Error('MalformedPolicy', 'This policy contains invalid Json', { cause });
  }
  if (!isRecord(document)) bad("Policies must be valid JSON and the first byte must be '{'");
  const unknown = Object.keys(document).find((key) => !POLICY_KEYS.has(key));
  const version = document['Version'];
  if (!VERSIONS.has(version)) bad('The policy must contain a valid version string');
  const list = document['Statement'];
  const statements = Array.isArray(list) ? list : list === undefined ? [] : [list];
  if (statements.length === 0) bad('Missing required field Statement');
  const knowsVariables = version === '2012-10-17';
  return {
    statements: statements.map((one: unknown) => parseStatement(one, bucket, knowsVariables)),
    unknown,
  };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseStatement(value: unknown, bucket: string, knowsVariables: boolean): Statement {
  if (!isRecord(value)) bad('A statement must be an object');
  const unknown = Object.keys(value).find((key) => !STATEMENT_KEYS.has(key));
  if (unknown !== undefined) bad(`Policy has an unknown field ${unknown}`);
  const effect = value['Effect'];
  if (effect !== 'Allow' && effect !== 'Deny') bad('Invalid effect');
  const principals = either(value, 'Principal', principalsOf);
  const actions = either(value, 'Action', textsOf);
  const resources = either(value, 'Resource', textsOf);
  if (!actions.list.every((action) => /^(?:\*|s3:[A-Za-z*?]+)$/i.test(action)))
    bad('Policy has invalid action');
  for (const resource of resources.list) {
    const rest = resource.startsWith(ARN) ? resource.slice(ARN.length) : undefined;
    if (rest === undefined && resource !== '*') bad('Policy has invalid resource');
    if (rest !== undefined && !matchesWild(rest.split('/')[0] ?? '', bucket)) {
      bad('Policy has invalid resource');
    }
  }
  const conditions = conditionsOf(value['Condition']);
  const texts = [...resources.list, ...conditions.flatMap(({ values }) => values)];
  const id = value['Sid'];
  return {
    id: typeof id === 'string' && id !== '' ? id : undefined,
    effect,
    principals: principals.list,
    exceptPrincipals: principals.except,
    actions: actions.list,
    exceptActions: actions.except,
    resources: resources.list.map((one) => (one === '*' ? '*' : one.slice(ARN.length))),
    exceptResources: resources.except,
    conditions,
    hasVariables: knowsVariables && texts.some(hasVariables),
  };
}

function either(
  value: Readonly<Record<string, unknown>>,
  name: string,
  read: (from: unknown, name: string) => readonly string[],
): { readonly list: readonly string[]; readonly except: boolean } {
  const yes = value[name];
  const not = value[`Not${name}`];
  if ((yes === undefined) === (not === undefined)) bad(`Missing required field ${name}`);
  return { list: read(yes ?? not, name), except: yes === undefined };
}

function textsOf(value: unknown, name: string): readonly string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.length === 0 || !list.every((one) => typeof one === 'string'))
    bad(`Policy has invalid ${name.toLowerCase()}`);
  return list;
}

function principalsOf(value: unknown): readonly string[] {
  if (value === '*') return ['*'];
  if (!isRecord(value)) bad('Invalid principal in policy');
  const out: string[] = [];
  for (const [kind, names] of Object.entries(value)) {
    if (!['AWS', 'CanonicalUser', 'Service', 'Federated'].includes(kind))
      bad('Invalid principal in policy');
    const texts = textsOf(names, 'principal');
    if (kind === 'AWS' || kind === 'CanonicalUser') out.push(...texts);
    if (kind === 'Service') out.push(...texts.map((name) => SERVICE + name));
  }
  return out;
}

function conditionsOf(value: unknown): Conditions {
  if (value === undefined) return [];
  if (!isRecord(value)) bad('Policy has invalid condition');
  return Object.entries(value).flatMap(([operator, keys]) => {
    if (!isConditionOperator(operator)) bad(`Invalid Condition type : ${operator}`);
    if (!isRecord(keys)) bad('Policy has invalid condition');
    return Object.entries(keys).map(([key, values]) => {
      const list: readonly unknown[] = Array.isArray(values) ? values : [values];
      return { operator, key: key.toLowerCase(), values: list.map(String) };
    });
  });
}

/** What is refused only where a policy is put: one that is kept already stays in force. Throws MalformedPolicy. */
export function checkNewPolicy({ statements, unknown }: Policy): void {
  if (unknown !== undefined) bad(`Unknown field ${unknown}`);
  if (statements.some(({ effect, exceptPrincipals }) => effect === 'Allow' && exceptPrincipals))
    bad('Allow with NotPrincipal is not allowed.');
  const ids = statements.flatMap(({ id }) => id ?? []);
  if (new Set(ids).size < ids.length) bad('Statement IDs (SID) in a single policy must be unique.');
  for (const statement of statements) {
    if (!statement.principals.every(isPrincipal)) bad('Invalid principal in policy');
    if (!statement.actions.every(isAction)) bad('Policy has invalid action');
    if (!hasResources(statement)) bad('Action does not apply to any resource(s) in statement');
    for (const { operator, key, values } of statement.conditions) {
      if (!isConditionKey(key)) bad('Policy has an invalid condition key');
      if (comparesAddresses(operator) && !values.every(isAddressRange))
        bad(`Invalid IP range : ${values.join(', ')}`);
    }
  }
}

/** What is done to objects. */
const OBJECT_ACTIONS =
  /^s3:(?:(?:Get|Put|Delete|Restore|Replicate)Object|AbortMultipartUpload|ListMultipartUploadParts|BypassGovernance)[a-z]*$/i;

/** Whether each action that is named in full finds a bucket, or objects, among the resources. */
function hasResources(statement: Statement): boolean {
  const { actions, exceptActions, resources, exceptResources } = statement;
  if (exceptActions || exceptResources) return true;
  const hasObjects = resources.some((one) => /[/*?]/.test(one));
  const hasBuckets = resources.some((one) => !one.includes('/'));
  return actions.every(
    (action) =>
      (hasObjects || !OBJECT_ACTIONS.test(action)) && (hasBuckets || !BUCKET_ACTIONS.test(action)),
  );
}

/** These are asked about the bucket, whatever the key. */
export const BUCKET_ACTIONS: RegExp =
  /^s3:(?:ListBucket|CreateBucket|DeleteBucket|(?:Get|Put|Delete)(?:Bucket|Lifecycle|Encryption|Accelerate|Replication)|ListBucketMultipartUploads)/i;

/** A deny anywhere wins. */
export function evaluatePolicy(policy: Policy, question: PolicyQuestion): PolicyVerdict {
  let verdict: PolicyVerdict = 'none';
  for (const statement of policy.statements) {
    const said = statement.hasVariables ? filled(statement, question.context) : statement;
    if (!applies(said, question)) continue;
    if (statement.effect === 'Deny') return 'deny';
    verdict = 'allow';
  }
  return verdict;
}

/** What a variable has no value for matches nothing. */
function filled(statement: Statement, context: ConditionContext): Statement {
  const texts = (from: readonly string[], isPattern: boolean): readonly string[] =>
    from.flatMap((text) => withVariables(text, context, isPattern) ?? []);
  return {
    ...statement,
    resources: texts(statement.resources, true),
    conditions: statement.conditions.map((one) => ({
      ...one,
      values: texts(one.values, comparesPatterns(one.operator)),
    })),
  };
}

function applies(statement: Statement, question: PolicyQuestion): boolean {
  const action = question.action.toLowerCase();
  const principal = statement.principals.some((one) => namesCaller(one, question));
  if (principal === statement.exceptPrincipals) return false;
  const acts = statement.actions.some((one) => matchesWild(one.toLowerCase(), action));
  if (acts === statement.exceptActions) return false;
  const resource = statement.resources.some((one) => matchesWild(one, question.resource));
  if (resource === statement.exceptResources) return false;
  return statement.conditions.every((condition) => conditionHolds(condition, question.context));
}

/** Everybody, or somebody whose name is whole: wildcards stand for nobody (AWS, "AWS JSON policy elements: Principal"). */
function isPrincipal(principal: string): boolean {
  if (principal === '*') return true;
  if (principal.startsWith(SERVICE)) return SERVICE_NAME.test(principal.slice(SERVICE.length));
  return principal.startsWith('arn:') ? PRINCIPAL_ARN.test(principal) : SOMEBODY.test(principal);
}

/** `*`, an id, or `arn:aws:iam::ACCOUNT:root` or `…:user/NAME`. */
function namesCaller(principal: string, { caller, service }: PolicyQuestion): boolean {
  if (principal === '*') return true;
  if (service !== undefined) return principal === SERVICE + service;
  if (caller === undefined) return false;
  const [, account, name] = /^arn:aws:iam::([^:]*):(?:root|user\/(.+))$/.exec(principal) ?? [];
  return principal === caller || (name ?? account) === caller;
}

/** Keys that, asked for fixed values, keep everybody else out (AWS, "The meaning of 'public'"). */
const RESTRICTING: ReadonlySet<string> = new Set([
  'aws:sourceip',
  'aws:sourcearn',
  'aws:sourcevpc',
  'aws:sourcevpce',
  'aws:sourceaccount',
  'aws:sourceowner',
  'aws:userid',
  'aws:principalorgid',
  's3:x-amz-server-side-encryption-aws-kms-key-id',
]);

/** Whether it lets everybody do something (as GetBucketPolicyStatus understands it). */
export function isPublicPolicy(policy: Policy): boolean {
  return policy.statements.some(
    (one) =>
      one.effect === 'Allow' &&
      (one.exceptPrincipals || one.principals.includes('*')) &&
      !one.conditions.some(
        ({ operator, key, values }) =>
          RESTRICTING.has(key) && asksForValues(operator) && values.every(isFixed),
      ),
  );
}

/** No wildcard, no variable, no range of addresses as wide as the world. */
function isFixed(value: string): boolean {
  const [, four, bits] = /^([\d.]+)?[\da-f:]*\/(\d+)$/i.exec(value) ?? [];
  if (bits !== undefined) return Number(bits) >= (four === undefined ? 32 : 8);
  return !/[*?]|\$\{/.test(value);
}

/** The conditions of a policy's statement: operators over what a request says. Pure. */
import { BlockList, isIP } from 'node:net';
import { matchesWild } from './wildcard.ts';

/** Keys in lower case; no values: the request does not say. */
export type ConditionContext = ReadonlyMap<string, readonly string[]>;

export interface Condition {
  readonly operator: string;
  /** Lower case. */
  readonly key: string;
  readonly values: readonly string[];
}

export type Conditions = readonly Condition[];

type Compare = (actual: string, wanted: string) => boolean;

const numeric =
  (compare: (a: number, b: number) => boolean): Compare =>
  (actual, wanted) =>
    compare(Number(actual), Number(wanted));
const dated =
  (compare: (a: number, b: number) => boolean): Compare =>
  (actual, wanted) =>
    compare(timeOf(actual), timeOf(wanted));

function timeOf(text: string): number {
  return /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text);
}

const same: Compare = (actual, wanted) => actual === wanted;
const sameFolded: Compare = (actual, wanted) => actual.toLowerCase() === wanted.toLowerCase();
const alike: Compare = (actual, wanted) => matchesWild(wanted, actual);

/** Those with `Not` are true when none of the values compares. */
const OPERATORS: Readonly<Record<string, { readonly compare: Compare; readonly not?: boolean }>> = {
  StringEquals: { compare: same },
  StringNotEquals: { compare: same, not: true },
  StringEqualsIgnoreCase: { compare: sameFolded },
  StringNotEqualsIgnoreCase: { compare: sameFolded, not: true },
  StringLike: { compare: alike },
  StringNotLike: { compare: alike, not: true },
  ArnEquals: { compare: alike },
  ArnLike: { compare: alike },
  ArnNotEquals: { compare: alike, not: true },
  ArnNotLike: { compare: alike, not: true },
  NumericEquals: { compare: numeric((a, b) => a === b) },
  NumericNotEquals: { compare: numeric((a, b) => a === b), not: true },
  NumericLessThan: { compare: numeric((a, b) => a < b) },
  NumericLessThanEquals: { compare: numeric((a, b) => a <= b) },
  NumericGreaterThan: { compare: numeric((a, b) => a > b) },
  NumericGreaterThanEquals: { compare: numeric((a, b) => a >= b) },
  DateEquals: { compare: dated((a, b) => a === b) },
  DateNotEquals: { compare: dated((a, b) => a === b), not: true },
  DateLessThan: { compare: dated((a, b) => a < b) },
  DateLessThanEquals: { compare: dated((a, b) => a <= b) },
  DateGreaterThan: { compare: dated((a, b) => a > b) },
  DateGreaterThanEquals: { compare: dated((a, b) => a >= b) },
  BinaryEquals: { compare: same },
  Bool: { compare: sameFolded },
  IpAddress: { compare: inRange },
  NotIpAddress: { compare: inRange, not: true },
};

const NAME = /^(?:(ForAnyValue|ForAllValues):)?([A-Za-z]+?)(IfExists)?$/;

export function isConditionOperator(text: string): boolean {
  const [, , name = ''] = NAME.exec(text) ?? [];
  return name === 'Null' || Object.hasOwn(OPERATORS, name);
}

export function comparesPatterns(operator: string): boolean {
  const [, , name = ''] = NAME.exec(operator) ?? [];
  return OPERATORS[name]?.compare === alike;
}

export function comparesAddresses(operator: string): boolean {
  const [, , name = ''] = NAME.exec(operator) ?? [];
  return OPERATORS[name]?.compare === inRange;
}

/** Whether the condition holds only for a request that has one of the values. */
export function asksForValues(operator: string): boolean {
  const [, quantifier, name = '', ifExists] = NAME.exec(operator) ?? [];
  if (quantifier === 'ForAllValues' || ifExists !== undefined) return false;
  return Object.hasOwn(OPERATORS, name) && OPERATORS[name]?.not !== true;
}

export function conditionHolds(condition: Condition, context: ConditionContext): boolean {
  const [, quantifier, name = '', ifExists] = NAME.exec(condition.operator) ?? [];
  const actual = context.get(condition.key) ?? [];
  if (name === 'Null') return (actual.length === 0) === (condition.values[0] === 'true');
  const operator = OPERATORS[name];
  if (operator === undefined) return false;
  if (actual.length === 0) {
    return ifExists !== undefined || quantifier === 'ForAllValues' || operator.not === true;
  }
  const one = (value: string): boolean =>
    condition.values.some((wanted) => operator.compare(value, wanted)) !== (operator.not === true);
  return quantifier === 'ForAllValues' ? actual.every(one) : actual.some(one);
}

interface AddressRange {
  readonly network: string;
  readonly type: 'ipv4' | 'ipv6';
  readonly length: number;
}

function rangeOf(text: string): AddressRange | undefined {
  const [network = '', bits] = text.split('/');
  const family = isIP(network);
  const lengthMax = family === 4 ? 32 : 128;
  const length = bits === undefined ? lengthMax : /^\d{1,3}$/.test(bits) ? Number(bits) : Infinity;
  if (family === 0 || length > lengthMax) return undefined;
  return { network, type: family === 4 ? 'ipv4' : 'ipv6', length };
}

/** An address or a range of them, or a variable that is to become one. */
export function isAddressRange(text: string): boolean {
  return rangeOf(text) !== undefined || text.includes('${');
}

function inRange(address: string, range: string): boolean {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, '');
  const wanted = rangeOf(range);
  if (wanted === undefined || `ipv${isIP(plain)}` !== wanted.type) return false;
  const list = new BlockList();
  list.addSubnet(wanted.network, wanted.length, wanted.type);
  return list.check(plain, wanted.type);
}

/** Website settings of a bucket: read, printed, and which object answers a request. Pure. */
import { element, XML_HEAD } from '../xml/xml.ts';
import {
  childNamed,
  childrenNamed,
  holdsOnly,
  malformed,
  neededText,
  readRoot,
  S3_NAMESPACE,
  textIn,
  type XmlElement,
} from './document.ts';
import { invalidArgument, S3Error } from './errors.ts';

export interface WebsiteRedirect {
  readonly protocol?: string | undefined;
  readonly host?: string | undefined;
  readonly replacePrefix?: string | undefined;
  readonly replaceKey?: string | undefined;
  readonly status?: string | undefined;
}

export interface WebsiteRule {
  readonly prefix?: string | undefined;
  readonly error?: string | undefined;
  readonly redirect: WebsiteRedirect;
}

export interface Website {
  readonly index?: string | undefined;
  readonly error?: string | undefined;
  readonly redirectAll?: WebsiteRedirect | undefined;
  readonly rules: readonly WebsiteRule[];
}

const REDIRECT = [
  'Protocol',
  'HostName',
  'ReplaceKeyPrefixWith',
  'ReplaceKeyWith',
  'HttpRedirectCode',
];
const RULES_MAX = 50;

export function parseWebsite(bytes: Uint8Array): Website {
  const root = readRoot(bytes, 'WebsiteConfiguration');
  holdsOnly(root, ['IndexDocument', 'ErrorDocument', 'RedirectAllRequestsTo', 'RoutingRules']);
  const all = childNamed(root, 'RedirectAllRequestsTo');
  const index = childNamed(root, 'IndexDocument');
  const error = childNamed(root, 'ErrorDocument');
  const list = childNamed(root, 'RoutingRules');
  if (all !== undefined) {
    holdsOnly(all, ['HostName', 'Protocol']);
    if (index !== undefined || error !== undefined || list !== undefined) throw malformed();
    return {
      redirectAll: { host: neededText(all, 'HostName'), protocol: protocolIn(all) },
      rules: [],
    };
  }
  if (index === undefined) throw malformed();
  holdsOnly(index, ['Suffix']);
  if (error !== undefined) holdsOnly(error, ['Key']);
  if (list !== undefined) holdsOnly(list, [], ['RoutingRule']);
  const suffix = neededText(index, 'Suffix');
  if (suffix === '' || suffix.includes('/')) {
    throw invalidArgument('The IndexDocument Suffix is not well formed', 'IndexDocument', suffix);
  }
  const rules = list === undefined ? [] : childrenNamed(list, 'RoutingRule').map(parseRule);
  if (rules.length > RULES_MAX || (list !== undefined && rules.length === 0)) throw malformed();
  return {
    index: suffix,
    error: error === undefined ? undefined : neededText(error, 'Key'),
    rules,
  };
}

function parseRule(rule: XmlElement): WebsiteRule {
  holdsOnly(rule, ['Condition', 'Redirect']);
  const redirect = childNamed(rule, 'Redirect');
  if (redirect === undefined) throw malformed();
  holdsOnly(redirect, REDIRECT);
  const condition = childNamed(rule, 'Condition');
  if (condition !== undefined)
    holdsOnly(condition, ['KeyPrefixEquals', 'HttpErrorCodeReturnedEquals']);
  const replacePrefix = textIn(redirect, 'ReplaceKeyPrefixWith');
  const replaceKey = textIn(redirect, 'ReplaceKeyWith');
  if (replacePrefix !== undefined && replaceKey !== undefined) {
    throw new S3Error(
      'InvalidRequest',
      'You can only define ReplaceKeyPrefix or ReplaceKey but not both.',
    );
  }
  const to: WebsiteRedirect = {
    protocol: protocolIn(redirect),
    host: textIn(redirect, 'HostName'),
    replacePrefix,
    replaceKey,
    status: codeIn(redirect, 'HttpRedirectCode', /^30[1-8]$/),
  };
  const isEmpty = Object.values(to).every((value) => value === undefined);
  const prefix = condition === undefined ? undefined : textIn(condition, 'KeyPrefixEquals');
  const error =
    condition === undefined
      ? undefined
      : codeIn(condition, 'HttpErrorCodeReturnedEquals', /^[45]\d\d$/);
  const asksNothing = condition !== undefined && prefix === undefined && error === undefined;
  if (isEmpty || asksNothing) throw malformed();
  return { prefix, error, redirect: to };
}

function protocolIn(from: XmlElement): string | undefined {
  const text = textIn(from, 'Protocol')?.trim();
  if (text === undefined || text === 'http' || text === 'https') return text;
  throw new S3Error(
    'InvalidRequest',
    'Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically.',
  );
}

function codeIn(from: XmlElement, name: string, allowed: RegExp): string | undefined {
  const text = textIn(from, name)?.trim();
  if (text === undefined || allowed.test(text)) return text;
  throw new S3Error('InvalidRequest', `The provided HTTP code (${text}) in ${name} is not valid.`);
}

export function printWebsite(site: Website): string {
  const rules = site.rules
    .map(({ prefix, error, redirect }) => {
      const condition =
        element('KeyPrefixEquals', prefix) + element('HttpErrorCodeReturnedEquals', error);
      return (
        `<RoutingRule>${condition === '' ? '' : `<Condition>${condition}</Condition>`}<Redirect>` +
        `${element('Protocol', redirect.protocol)}${element('HostName', redirect.host)}${element('ReplaceKeyPrefixWith', redirect.replacePrefix)}` +
        `${element('ReplaceKeyWith', redirect.replaceKey)}${element('HttpRedirectCode', redirect.status)}</Redirect></RoutingRule>`
      );
    })
    .join('');
  const all =
    site.redirectAll === undefined
      ? ''
      : `<RedirectAllRequestsTo>${element('HostName', site.redirectAll.host)}${element('Protocol', site.redirectAll.protocol)}</RedirectAllRequestsTo>`;
  return (
    `${XML_HEAD}<WebsiteConfiguration xmlns="${S3_NAMESPACE}">${all}` +
    (site.index === undefined
      ? ''
      : `<IndexDocument>${element('Suffix', site.index)}</IndexDocument>`) +
    (site.error === undefined
      ? ''
      : `<ErrorDocument>${element('Key', site.error)}</ErrorDocument>`) +
    `${rules === '' ? '' : `<RoutingRules>${rules}</RoutingRules>`}</WebsiteConfiguration>`
  );
}

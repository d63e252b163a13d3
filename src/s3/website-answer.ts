/** A bucket as a website: `http://BUCKET.s3-website.HOST/`. Only what everybody may read is shown. */
import type { IncomingHttpHeaders } from 'node:http';
import { escapeText } from '../xml/xml.ts';
import { mayDo } from './access.ts';
import { type Answer, Call, type CallParts, setting } from './call.ts';
import { S3Error } from './errors.ts';
import { getObject } from './objects-get.ts';
import { encodeUri } from '../base/uri.ts';
import type { Website, WebsiteRedirect, WebsiteRule } from './website.ts';

type WithKey = (key: string) => Call;
type Site = { readonly site: Website; readonly withKey: WithKey };

/** `BUCKET.s3-website…` */
export function websiteBucket(host: string): string | undefined {
  return /^(.+?)\.s3-website[.-]/.exec(host.toLowerCase())?.[1];
}

/** What stands behind a `?` is the page's own business. */
export async function websiteAnswer(parts: CallParts): Promise<Answer> {
  const call = new Call({ ...parts, target: { ...parts.target, query: [] } });
  const withKey = (key: string): Call => call.but({ key });
  try {
    if (call.method !== 'GET' && call.method !== 'HEAD') throw new S3Error('MethodNotAllowed');
    const bucket = await call.bucket();
    const site = setting<Website>(bucket, 'website');
    if (site === undefined) throw new S3Error('NoSuchWebsiteConfiguration');
    return await siteAnswer(call, { site, withKey });
  } catch (error) {
    if (error instanceof S3Error) return page(error, call.method);
    throw error;
  }
}

async function siteAnswer(call: Call, where: Site): Promise<Answer> {
  const { site, withKey } = where;
  if (site.redirectAll !== undefined) return redirected(call, site.redirectAll, call.key);
  const early = ruleFor(site.rules, call.key, undefined);
  if (early !== undefined) return redirected(call, early.redirect, call.key, early.prefix);
  const index = site.index ?? 'index.html';
  const key = call.key === '' || call.key.endsWith('/') ? call.key + index : call.key;
  try {
    const answer = await objectAt(withKey(key));
    const to = answer.headers?.['x-amz-website-redirect-location'];
    return to === undefined ? answer : { status: 301, headers: { location: to } };
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    const late = ruleFor(site.rules, call.key, String(error.status));
    if (late !== undefined) return redirected(call, late.redirect, call.key, late.prefix);
    if (error.status === 404 && key === call.key && (await exists(withKey(`${key}/${index}`)))) {
      return { status: 302, headers: { location: `/${encodeUri(key, true)}/` } };
    }
    return errorPage(error, call, where);
  }
}

async function exists(call: Call): Promise<boolean> {
  const object = await call.store.head(call.bucketName, call.key);
  return object !== undefined && !object.isDeleteMarker;
}

/** Whoever may read all that there could be at a key is told that nothing is; others learn nothing. */
async function objectAt(call: Call): Promise<Answer> {
  try {
    return await getObject(call);
  } catch (error) {
    const isHidden = error instanceof S3Error && error.code === 'AccessDenied';
    if (!isHidden || (await exists(call))) throw error;
    const mayRead = mayDo(call, await call.bucket(), { action: 's3:GetObject' });
    throw mayRead ? new S3Error('NoSuchKey', undefined, { details: { Key: call.key } }) : error;
  }
}

async function errorPage(error: S3Error, call: Call, { site, withKey }: Site): Promise<Answer> {
  if (site.error === undefined || error.status < 400) return page(error, call.method);
  try {
    const whole = withKey(site.error).but({ headers: withoutPiece(call.headers) });
    return { ...(await getObject(whole)), status: error.status };
  } catch (second) {
    if (second instanceof S3Error) return page(error, call.method);
    throw second;
  }
}

/** Conditions and ranges are about what is not there, not about the page that says so. */
function withoutPiece(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !name.startsWith('if-') && name !== 'range'),
  );
}

function ruleFor(
  rules: readonly WebsiteRule[],
  key: string,
  status: string | undefined,
): WebsiteRule | undefined {
  return rules.find((rule) => key.startsWith(rule.prefix ?? '') && rule.error === status);
}

function redirected(call: Call, to: WebsiteRedirect, key: string, prefix = ''): Answer {
  const path =
    to.replaceKey ??
    (to.replacePrefix === undefined ? key : to.replacePrefix + key.slice(prefix.length));
  const protocol = to.protocol ?? (call.isSecure ? 'https' : 'http');
  const host = to.host ?? call.header('host') ?? '';
  return {
    status: Number(to.status ?? 301),
    headers: { location: `${protocol}://${host}/${encodeUri(path, true)}` },
  };
}

function page(error: S3Error, method: string): Answer {
  const title = `${error.status} ${error.code}`;
  const body = `<html><head><title>${title}</title></head><body><h1>${title}</h1><p>${escapeText(error.message)}</p></body></html>\n`;
  return {
    status: error.status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-length': String(Buffer.byteLength(body)),
    },
    ...(method === 'HEAD' ? {} : { body }),
  };
}

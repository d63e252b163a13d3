/**
 * A real, headless Chromium (Debian's package), and what went wrong in it: everything that a page complains about
 * is collected, because a console error or a violated content policy is a failure like any other.
 */
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';

export type { Page };

const CHROMIUM = '/usr/bin/chromium';
/** No sandbox: tests also run as root. The rest keeps it from talking to anybody but the node. */
const ARGUMENTS: readonly string[] = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
/** Browsers are slow on busy machines; a page that works is shown long before. */
const WAIT_AT_MOST_MS = 60_000;

export interface PageOptions {
  readonly javaScript?: boolean;
  readonly colorScheme?: 'light' | 'dark';
  readonly width?: number;
  readonly height?: number;
}

/** One person's browser: pages share cookies, as tabs do. */
export class TestBrowser implements AsyncDisposable {
  /** Console errors and warnings, uncaught exceptions and policy violations, as they came. */
  readonly problems: string[] = [];
  readonly #browser: Browser;
  #contexts: BrowserContext[] = [];

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  static async start(): Promise<TestBrowser> {
    return new TestBrowser(
      await chromium.launch({ executablePath: CHROMIUM, args: [...ARGUMENTS] }),
    );
  }

  /** A page with cookies of its own, or those of `like`. */
  async page(options: PageOptions = {}, like?: Page): Promise<Page> {
    const context = await this.#browser.newContext({
      javaScriptEnabled: options.javaScript ?? true,
      colorScheme: options.colorScheme ?? 'light',
      viewport: { width: options.width ?? 1280, height: options.height ?? 800 },
      ...(like === undefined ? {} : { storageState: await like.context().storageState() }),
    });
    context.setDefaultTimeout(WAIT_AT_MOST_MS);
    this.#contexts.push(context);
    const page = await context.newPage();
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) {
        this.problems.push(`${page.url()}: ${message.type()}: ${message.text()}`);
      }
    });
    page.on('pageerror', (error) => this.problems.push(`${page.url()}: ${error.stack}`));
    return page;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const context of this.#contexts) await context.close();
    this.#contexts = [];
    await this.#browser.close();
  }
}

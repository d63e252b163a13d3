/** Mail in `moln dev`: nothing leaves this machine, each is a file in `.moln/mails` that the dashboard shows. */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../base/errors.ts';
import { isoTime, systemClock } from '../base/time.ts';
import type { MailCarrier, ReadyMail } from '../web/web.ts';

/** Older ones are removed. */
const KEPT = 200;
const NAME = /^[\dTZ]+-[\da-z]+$/;

export interface KeptMail extends ReadyMail {
  /** Of its file, without `.json`. */
  readonly name: string;
  /** `2026-05-02T08:15:30.000Z`. */
  readonly at: string;
}

export class DevMails implements MailCarrier {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async carry(mail: ReadyMail): Promise<readonly string[]> {
    await mkdir(this.#folder, { recursive: true });
    const at = isoTime(systemClock.now());
    const name = `${at.replaceAll(/[-:.]/g, '')}-${mail.id}`;
    const kept: KeptMail = { ...mail, name, at };
    await writeFile(join(this.#folder, `${name}.json`), JSON.stringify(kept, undefined, 2));
    for (const old of (await this.#names()).slice(KEPT)) await rm(join(this.#folder, old));
    return [];
  }

  /** The newest first. */
  async list(): Promise<readonly KeptMail[]> {
    const files = await this.#names();
    return await Promise.all(files.map((file) => this.#read(file)));
  }

  async find(name: string): Promise<KeptMail | undefined> {
    const file = `${name}.json`;
    return NAME.test(name) && (await this.#names()).includes(file)
      ? await this.#read(file)
      : undefined;
  }

  async #read(file: string): Promise<KeptMail> {
    return JSON.parse(await readFile(join(this.#folder, file), 'utf8')) as KeptMail;
  }

  async #names(): Promise<readonly string[]> {
    try {
      const files = await readdir(this.#folder);
      return files
        .filter((file) => file.endsWith('.json'))
        .sort()
        .reverse();
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return [];
      throw error;
    }
  }
}

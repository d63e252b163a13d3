/** What the API says of databases. */

/** One copy of a stripe. */
export interface StripeCopy {
  /** Name of its node. */
  readonly node: string;
  readonly role: 'primary' | 'mirror';
  /** Entries of the log that it does not have yet. */
  readonly lag: number;
  readonly fileBytes: number;
  /** Why it was put aside and built anew last, and when, in milliseconds since the epoch. */
  readonly rebuilt: string | undefined;
  readonly rebuiltAt: number | undefined;
}

/** The comparing of a stripe's copies, once a day or when somebody asks. */
export interface StripeScrub {
  readonly step: 'waiting' | 'running' | 'done';
  /** When all could be compared last, in milliseconds since the epoch; undefined: not yet. */
  readonly at: number | undefined;
  /** As far as it is, each compared with the one that leads, which is among them only if it was wrong itself. */
  readonly copies: readonly {
    /** Name of its node. */
    readonly node: string;
    /** `rebuilt`: it was not what the log says, and is now. `failed`: it could not be compared, or not be built anew. */
    readonly result: 'equal' | 'rebuilt' | 'failed';
    readonly why?: string | undefined;
  }[];
}

/** Where the newest snapshot of a stripe lies. */
export interface StripeSnapshot {
  /** The last entry that it contains. */
  readonly index: number;
  readonly bytes: number;
  /** Names of the nodes that keep it. */
  readonly nodes: readonly string[];
  /** It lies in the file store, too; undefined: that is not known, or there is none. */
  readonly isStored: boolean | undefined;
}

export interface StripeDetail {
  readonly number: number;
  /** The node that leads it; undefined while none does. */
  readonly primary: string | undefined;
  /** Why that one leads, in words. */
  readonly why: string | undefined;
  /** Where it is to be led as soon as that can be, and why; undefined when it is led where it should be. */
  readonly moves: string | undefined;
  /** How far a split that it has part in has come; undefined when there is none. */
  readonly split: string | undefined;
  /** Of 1,024 that all stripes have together. */
  readonly slots: number;
  readonly copies: readonly StripeCopy[];
  /** Undefined: it was not compared since its primary began to lead. */
  readonly scrub: StripeScrub | undefined;
  /** The newest entry of its log. */
  readonly head: number;
  /** Entries since the newest snapshot. */
  readonly logEntries: number;
  /** Undefined: there is none yet, the log has everything. */
  readonly snapshot: StripeSnapshot | undefined;
  /** Since its primary leads: transactions, the entries that they share, time and bytes in which the log took those. */
  readonly transactions: number;
  readonly groups: number;
  readonly appendMs: number;
  readonly logBytes: number;
}

/** A statement that runs now, or ran long. */
export interface QueryDetail {
  readonly id: string;
  /** The node that runs it. */
  readonly node: string;
  readonly sql: string;
  /** Who asked; never a token. */
  readonly caller: string;
  readonly startedAt: number;
  readonly ms: number;
}

export interface DatabaseSummary {
  readonly name: string;
  readonly state: 'open' | 'opening' | 'failed' | 'away';
  /** What is wrong, in words. */
  readonly why: string | undefined;
  readonly stripes: number;
  /** Wanted of each stripe. */
  readonly copies: number;
  /** Where they are to be; empty: anywhere. */
  readonly regions: readonly string[];
  /** Of these, where no node is: no copy can be there. */
  readonly emptyRegions: readonly string[];
  /** Below the address of any node. */
  readonly path: string;
  readonly bytes: number;
  readonly connections: number;
  readonly createdAt: number;
  readonly by: string;
}

export interface DatabaseDetail extends DatabaseSummary {
  /** What keeps snapshots from the file store; undefined: nothing, or there is none. */
  readonly snapshotsWait: string | undefined;
  /** Why a copy is not filled yet, and on which node; undefined: none waits. */
  readonly copyWaits: string | undefined;
  /** The oldest and the newest noted moment that it can be had as of; undefined while that is not known. */
  readonly restorable: { readonly from: number; readonly to: number } | undefined;
  readonly stripeDetails: readonly StripeDetail[];
  readonly queries: readonly QueryDetail[];
  /** The newest last. */
  readonly slow: readonly QueryDetail[];
}

export interface RestoredDatabase {
  /** Its name. */
  readonly database: string;
  /** The noted moment that it was taken from, not after the one that was asked for. */
  readonly at: number;
}

/** A database of a cluster that is lost, of which snapshots are in the file store. */
export interface LostDatabaseSummary {
  readonly id: string;
  readonly name: string;
  readonly stripes: number;
  /** All its stripes can be had as of that moment, in milliseconds since the epoch; undefined: of none. */
  readonly at: number | undefined;
  /** Why of none, in words. */
  readonly why: string | undefined;
  /** Of the snapshots. */
  readonly bytes: number;
}

/** How a statement would be run. */
export interface QueryPlan {
  readonly plan: string;
  /** Numbers of those that are asked. */
  readonly stripes: readonly number[];
  /** What it is and why, and what each stripe is sent, for people. */
  readonly lines: readonly string[];
}

/** What the API needs of the node for it. */
export interface DatabaseCloud {
  listDatabases(): Promise<readonly DatabaseSummary[]>;
  /** Throws `DATABASES_NOT_FOUND`. */
  showDatabase(name: string): Promise<DatabaseDetail>;
  /** Answers when it can be used. Throws `DATABASES_NAME_TAKEN` and its like. */
  createDatabase(
    name: string,
    wish: {
      readonly stripes: number | undefined;
      readonly copies: number | undefined;
      readonly regions: readonly string[] | undefined;
    },
    by: string,
  ): Promise<DatabaseDetail>;
  dropDatabase(name: string, by: string): Promise<void>;
  /** Makes database `as` with what this one had at `at`; resolves to the noted moment. Throws `DATABASES_OUT_OF_REACH`. */
  restoreDatabase(
    name: string,
    wish: { readonly at: number; readonly as: string },
    by: string,
  ): Promise<RestoredDatabase>;
  listLostDatabases(): Promise<readonly LostDatabaseSummary[]>;
  /** Makes database `as` of the snapshots of a lost one, by name or id. Throws `DATABASES_LOST_INCOMPLETE` and its like. */
  restoreLostDatabase(
    lost: string,
    wish: { readonly as: string },
    by: string,
  ): Promise<RestoredDatabase>;
  /** Its snapshots leave the file store. */
  forgetLostDatabase(lost: string, by: string): Promise<void>;
  /** Has a stripe led by that node; answers when it is. Throws `DATABASES_NODE_UNFIT` and its like. */
  moveStripe(name: string, stripe: number, node: string, by: string): Promise<StripeDetail>;
  /** Has half of a stripe's slots moved to a new one, which it answers with when that is done. Throws `DATABASES_SPLIT_WAITS` and its like. */
  splitStripe(name: string, stripe: number, by: string): Promise<StripeDetail>;
  /** Has the copies of all stripes compared, soon: those whose primary was reached. */
  scrubDatabase(name: string, by: string): Promise<{ readonly stripes: readonly number[] }>;
  createDatabaseToken(
    name: string,
    wish: {
      readonly for: string;
      readonly readOnly: boolean;
      readonly ttlMs: number | undefined;
    },
  ): Promise<{ readonly token: string }>;
  /** Those that were made before open nothing from now on. */
  revokeDatabaseTokens(name: string): Promise<void>;
  /** Throws `DATABASES_QUERY_NOT_FOUND` when it does not run any more. */
  killQuery(name: string, query: string): Promise<void>;
  explainQuery(name: string, sql: string): Promise<QueryPlan>;
}

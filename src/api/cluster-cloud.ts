/** What the API needs of the node for everything that is about several machines. */
import type {
  EventDetail,
  InviteDetail,
  InviteRole,
  ManagerStatus,
  NodeDetail,
  RegionDetail,
  SlotDetail,
} from './model.ts';

export interface InviteRequest {
  readonly role: InviteRole | undefined;
  readonly region: string | undefined;
  readonly ttlMs: number | undefined;
  readonly uses: number | undefined;
}

export interface LabelChange {
  readonly set: Readonly<Record<string, string>>;
  readonly unset: readonly string[];
}

/** Every method throws `MolnError` for expected failures. Nodes go by their names. */
export interface ClusterCloud {
  /** The line is in the answer and nowhere else, ever again. Throws `REGISTRY_ETCD_MISSING`, `NODE_NO_ADDRESS`. */
  createInvite(
    request: InviteRequest,
  ): Promise<{ readonly invite: string; readonly detail: InviteDetail }>;
  listInvites(): Promise<readonly InviteDetail[]>;
  /** Throws `CLUSTER_INVITE_NOT_FOUND`. */
  revokeInvite(id: string): Promise<void>;
  /** Oldest first. */
  listNodes(): Promise<readonly NodeDetail[]>;
  /** Throws `NODE_NOT_FOUND`. */
  showNode(name: string): Promise<NodeDetail>;
  /** Its instances move elsewhere, and nothing new comes. */
  drainNode(name: string): Promise<void>;
  undrainNode(name: string): Promise<void>;
  /** For good: its certificate is refused from now on. */
  forgetNode(name: string): Promise<void>;
  labelNode(name: string, change: LabelChange): Promise<void>;
  regions(): Promise<readonly RegionDetail[]>;
  manager(): Promise<ManagerStatus>;
  /** Undefined: automatic. */
  setManagers(names: readonly string[] | undefined): Promise<void>;
  /** This node takes the registry over, from its own copy. */
  takeover(options: { readonly force: boolean }): Promise<void>;
  /** Newest last. */
  listEvents(): Promise<readonly EventDetail[]>;
  followEvents(signal: AbortSignal): AsyncIterable<EventDetail>;
  /** Throws `APPS_NOT_FOUND`. */
  whyApp(app: string): Promise<readonly SlotDetail[]>;
}

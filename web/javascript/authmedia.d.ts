/**
 * Authenticated Matrix media in a page, without a service worker.
 *
 * @packageDocumentation
 */

/**
 * A strategy to load media by; `auto` takes the best one for each media. `plain` is for homeservers from before
 * Matrix 1.11, where `auto` takes it by itself.
 */
export type Strategy = "auto" | "link" | "delegated" | "opfs" | "blob" | "bundle" | "plain" | "redirect";

/** The `file` of an event with an encrypted attachment, unchanged. https://spec.matrix.org/latest/client-server-api/#extensions-to-mroommessage-msgtypes */
export type EncryptedFile = object;

/** A new access token. */
export interface Tokens {
  accessToken: string;
  /** How long it is valid, in milliseconds. Unknown by default. */
  expiresInMs?: number | undefined;
}

/** What a session transfers and keeps at most. */
export interface Limits {
  /** Bodies transferred at a time. The default is 16. */
  transfers?: number | undefined;
  /** Bytes in memory that no element shows. The default is 64 MiB. */
  idleBytes?: number | undefined;
  /** Bytes on disk, of all accounts of this origin together. The default is 512 MiB. */
  diskBytes?: number | undefined;
  /** A media is loaded itself, up to this size in bytes, where the server has no thumbnail of it. The default is 8 MiB. */
  originalBytes?: number | undefined;
}

/** What the user asked for: which media load by themselves, and whether pictures move. */
export interface MediaPolicy {
  /** Whether media load by themselves, by the account's `m.media_preview_config`. The default is `true`. */
  previews?: boolean | undefined;
  /** Whether avatars of invitations do, elements with `data-preview="invite-avatar"`. The default is `true`. */
  inviteAvatars?: boolean | undefined;
  /** Whether only thumbnails and media up to 100 kB do. The default, `null`, is as the browser says. */
  saveData?: boolean | null | undefined;
  /** Whether animated pictures stand still until they are hovered or focused. The default, `null`, is as the browser says. */
  reducedMotion?: boolean | null | undefined;
}

/** The options of {@link start}. */
export interface StartOptions {
  /** The homeserver's base URL for clients, such as `https://matrix.example.org`. */
  homeserver: string;
  /** Whose session it is, such as `@ana:example.org`. */
  userId: string;
  /** Sent to the homeserver in the `Authorization` header, and nowhere else. */
  accessToken: string;
  /** The default is `auto`. */
  strategy?: Strategy | undefined;
  /**
   * The element, document or shadow root below which each element with `data-mxc` or `data-mxc-background` is loaded,
   * now and later; `null` for none. The default is the whole document.
   */
  root?: Element | Document | ShadowRoot | null | undefined;
  /** How far outside of the viewport elements are loaded, in CSS pixels; `null` loads all at once. The default is 600. */
  nearPx?: number | null | undefined;
  /** Whether `data-width` and `data-height` are CSS pixels, rather than pixels of the image. The default is `false`. */
  cssPixels?: boolean | undefined;
  /** Whether to look into open shadow roots, too; `addRoot` takes closed ones. The default is `false`. */
  shadowRoots?: boolean | undefined;
  /** Whether `data-blurhash` is shown until the media is there. The default is `true`. */
  placeholder?: boolean | undefined;
  /** Whether a failed element is followed by words and a button to try again. The default is `true`. */
  failureView?: boolean | undefined;
  limits?: Limits | undefined;
  /** What the user asked for; `{}` is as the browser says. Without it, everything loads and moves. */
  policy?: MediaPolicy | undefined;
  /**
   * Returns a new access token when this one ends; called once for all requests that wait for it. Let it throw an
   * {@link AuthMediaError} of class `SessionExpired` where the session has ended; any other error is tried again later.
   */
  refresh?: (() => Promise<string | Tokens>) | undefined;
  /** How long `accessToken` is valid, in milliseconds; with `refresh`, it is then renewed a little earlier. */
  expiresInMs?: number | undefined;
  /**
   * Called with each error that neither a promise nor a single element reports: the session has ended, the homeserver
   * cannot be reached, or something unexpected. The default is `console.error`.
   */
  onError?: ((error: AuthMediaError) => void) | undefined;
}

/** One media, whole or as a thumbnail. One of `mxc` and `file` is needed. */
export interface MediaRequest {
  /** The event's `url`, unchanged. */
  mxc?: string | undefined;
  /** The event's `file`, where the attachment is encrypted. It has no thumbnails: use the event's `thumbnail_file`. */
  file?: EncryptedFile | undefined;
  /** The thumbnail's width in pixels of the image. Without it, the media itself. */
  width?: number | undefined;
  /** The thumbnail's height in pixels of the image. */
  height?: number | undefined;
  /** How the server fits the thumbnail. The default is `scale`. */
  method?: "scale" | "crop" | undefined;
  /** Whether the thumbnail may be animated. The default is `false`. */
  animated?: boolean | undefined;
  /** What shows it; `file` for one that is saved. The default is `image`. */
  kind?: "image" | "video" | "audio" | "file" | undefined;
  /** The event's `mimetype`, used where the server sends none. */
  contentType?: string | undefined;
  /** The event's `size` in bytes. */
  size?: number | undefined;
  /** What memory and disk are used for, as in the Fetch standard. The default is `default`. */
  cache?: "default" | "reload" | "no-store" | "only-if-cached" | undefined;
}

/** The options of {@link AuthMediaSession.load}. */
export interface LoadOptions {
  /** Aborts the load: the promise is rejected with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Called while a large body arrives, with the bytes received and the announced length. */
  onProgress?: ((received: number, total: number) => void) | undefined;
}

/** What is known of a media that an element can show. */
export interface MediaDescription {
  /** The element's `src`: an object URL, or a link. */
  src: string;
  /** The strategy that served it. */
  strategy: string;
  /** Where it came from. */
  source: "network" | "memory" | "disk";
  /** Why `auto` took this strategy; empty otherwise. */
  reason: string;
  /** Empty where the element transfers it by itself. */
  contentType: string;
  /** Until when another element may be given this `src`, in milliseconds since 1970; `null` for as long as it is held. */
  expires: number | null;
}

/** A media that {@link AuthMediaSession.load} loaded. */
export interface LoadedMedia extends MediaDescription {
  /** Releases it: nothing shows its `src` any more. */
  release(): void;
}

/** Whether a strategy works in this window and with this homeserver. */
export interface Support {
  works: boolean;
  /** The browser's or the homeserver's own words where it does not. */
  words: string;
}

/** One account's session. */
export interface AuthMediaSession {
  /** Replaces the access token; requests that wait for a renewal go on with this one. */
  setAccessToken(token: string, options?: { expiresInMs?: number | undefined }): void;

  /**
   * Registers an event's `file` and returns the value for an element's `data-encrypted`. Keys stay out of the document.
   */
  register(file: EncryptedFile): string;

  /** Binds the elements below a shadow root, too, for as long as its host is in the document. */
  addRoot(root: ShadowRoot): void;

  /** Loads a media without a bound element; equal requests share one transfer. Call `release()` of what it returns. */
  load(request: MediaRequest, options?: LoadOptions): Promise<LoadedMedia>;

  /** Changes settings of the session's `policy`, and applies them to all elements at once. */
  setPolicy(policy: MediaPolicy): void;

  /** Shows or hides a media whatever the policy says, because the user wants that. */
  choose(mxc: string, shown: boolean): void;

  /** Loads a bound element that has failed again. */
  retry(element: Element): void;

  /** Tries whether the strategy works here. */
  support(): Promise<Support>;

  /**
   * Removes what is cached or stored of one media, or of the whole account, in memory and on disk: for a logout, before
   * the token ends. It may be called after `stop()`.
   */
  forget(request?: MediaRequest): Promise<void>;

  /** Aborts all loads, empties the elements and releases all media. What is on disk stays. */
  stop(): void;
}

/**
 * Starts a session. The first call downloads and starts the Python interpreter, which all sessions of a page share.
 *
 * @example
 * ```js
 * const media = await start({ homeserver: "https://matrix.example.org", userId: "@ana:example.org", accessToken });
 * ```
 * @throws {@link AuthMediaError} of class `InvalidOption`, `MalformedAddress`, `FileMissing`, `BrowserUnsupported` or
 *   `StartFailed`; its message says what to do.
 */
export function start(options: StartOptions): Promise<AuthMediaSession>;

/** An error of this library. Its `message` is for developers, and says what to do. */
export class AuthMediaError extends Error {
  constructor(fields: { errorClass: string; message: string; userMessage?: string; cause?: unknown });
  readonly name: "AuthMediaError";
  /** The class of errors, such as `MediaNotFound`. The documentation has them all. */
  readonly errorClass: string;
  /** A sentence for the user of the page, in English. */
  readonly userMessage: string;
  /** Whether a later attempt may succeed. */
  readonly retry: boolean;
  /** The seconds that the server asked to wait. */
  readonly retryAfterSeconds: number | null;
  /** Which media it happened to; empty where it concerns all. */
  readonly mxc: string;
  /** The browser's or the server's own message, verbatim. */
  readonly words: string;
}

/** `detail` of `authmedia:loading`, `authmedia:held` and `authmedia:released`. */
export interface StateDetail {
  mxc: string;
}

/** `detail` of `authmedia:shown`. */
export interface ShownDetail extends MediaDescription {
  mxc: string;
}

/** `detail` of `authmedia:failed`. */
export interface FailedDetail {
  mxc: string;
  error: AuthMediaError;
}

/** The events of bound elements. They bubble, and pass through shadow roots. */
export interface AuthMediaEventMap {
  /** The element was bound, or is tried again. */
  "authmedia:loading": CustomEvent<StateDetail>;
  /** The element waits until the user asks for its media. */
  "authmedia:held": CustomEvent<StateDetail>;
  /** The element shows its media. */
  "authmedia:shown": CustomEvent<ShownDetail>;
  /** The element cannot show its media. */
  "authmedia:failed": CustomEvent<FailedDetail>;
  /** The element is bound no longer. One that left the document is outside of its former parents by then. */
  "authmedia:released": CustomEvent<StateDetail>;
}

declare global {
  interface GlobalEventHandlersEventMap extends AuthMediaEventMap {}
}

// Shows authenticated Matrix media in a page in JavaScript: options, promises and events here, everything else in Python.
// Documented in authmedia.d.ts. Python gets texts, numbers and functions, and returns JSON; see javascript_api.py.

// Written out, so that bundlers copy the files as assets.
const FILES = {
  interpreter: new URL("./micropython.mjs", import.meta.url).href,
  wasm: new URL("./micropython.wasm", import.meta.url).href,
  library: new URL("./library.romfs.gz", import.meta.url).href,
  primitives: new URL("./primitives.js", import.meta.url).href,
  fileWriter: new URL("./file-writer.js", import.meta.url).href,
  decryptionWorker: new URL("./decryption-worker.js", import.meta.url).href,
};
const NEEDED = {
  WebAssembly: globalThis.WebAssembly,
  DecompressionStream: globalThis.DecompressionStream,
  FinalizationRegistry: globalThis.FinalizationRegistry,
  "Promise.withResolvers": Promise.withResolvers,
  "URL.canParse": URL.canParse,
};
// The functions of javascript_api.py.
const FUNCTIONS = [
  ...["start", "load", "end_load", "forget", "support", "register", "retry", "add_root", "set_access_token"],
  ...["set_policy", "choose", "stop"],
];
const METHODS = ["scale", "crop"];
const KINDS = ["image", "video", "audio", "file"];
const CACHE = ["default", "reload", "no-store", "only-if-cached"];

export class AuthMediaError extends Error {
  constructor({ message, cause, ...fields }) {
    super(message, cause && { cause });
    this.name = "AuthMediaError";
    this.errorClass = "AuthMediaError";
    this.userMessage = "This media could not be loaded.";
    this.retry = false;
    this.retryAfterSeconds = null;
    this.mxc = this.words = "";
    Object.assign(this, fields);
  }
}

const failure = (errorClass, message, cause) => new AuthMediaError({ errorClass, message, cause });
const invalid = (message) => failure("InvalidOption", message);
const errorFrom = (text) => new AuthMediaError(JSON.parse(text));

// --- options ---------------------------------------------------------------------------------------------------------

// Each kind of value: whether a value is of it, and its name in a message.
const TEXT = [(value) => typeof value === "string" && value !== "", "a text that is not empty"];
const ANY_TEXT = [(value) => typeof value === "string", "a text"];
const COUNT = [(value) => Number.isSafeInteger(value) && value >= 0, "a whole number of 0 or more"];
const COUNT_OR_NULL = [(value) => value === null || COUNT[0](value), "a whole number of 0 or more, or null"];
const FLAG = [(value) => typeof value === "boolean", "true or false"];
const FLAG_OR_NULL = [(value) => value === null || FLAG[0](value), "true, false or null"];
const FUNCTION = [(value) => typeof value === "function", "a function"];
const ELEMENT = [(value) => value instanceof Element, "an element"];
const SHADOW_ROOT = [(value) => value instanceof ShadowRoot, "a shadow root"];
const ROOT = [
  (value) => value === null || [Element, Document, ShadowRoot].some((kind) => value instanceof kind),
  "an element, a document, a shadow root, or null",
];
const SIGNAL = [(value) => value instanceof AbortSignal, "an AbortSignal"];
const OBJECT = [(value) => typeof value === "object" && value !== null, "an object"];
const USER_ID = [(value) => /^@[^:]*:./.test(value), "a user id such as @ana:example.org"];
const oneOf = (values) => [(value) => values.includes(value), `one of ${values.join(", ")}`];

const OPTIONS = {
  homeserver: TEXT,
  userId: USER_ID,
  accessToken: TEXT,
  strategy: TEXT,
  root: ROOT,
  nearPx: COUNT_OR_NULL,
  cssPixels: FLAG,
  shadowRoots: FLAG,
  placeholder: FLAG,
  failureView: FLAG,
  limits: OBJECT,
  policy: OBJECT,
  refresh: FUNCTION,
  expiresInMs: COUNT,
  onError: FUNCTION,
};
const OPTION_DEFAULTS = {
  strategy: "auto",
  nearPx: 600,
  cssPixels: false,
  shadowRoots: false,
  placeholder: true,
  limits: null,
  policy: null,
  expiresInMs: null,
};
const POLICY = { previews: FLAG, inviteAvatars: FLAG, saveData: FLAG_OR_NULL, reducedMotion: FLAG_OR_NULL };
const LOAD_OPTIONS = { signal: SIGNAL, onProgress: FUNCTION };
const LIMITS = { transfers: COUNT, idleBytes: COUNT, diskBytes: COUNT, originalBytes: COUNT };
const REQUEST = {
  mxc: ANY_TEXT,
  file: OBJECT,
  width: COUNT,
  height: COUNT,
  method: oneOf(METHODS),
  animated: FLAG,
  kind: oneOf(KINDS),
  contentType: ANY_TEXT,
  size: COUNT,
  cache: oneOf(CACHE),
};
const REQUEST_DEFAULTS = {
  mxc: "",
  file: null,
  width: 0,
  height: 0,
  method: "scale",
  animated: false,
  kind: "image",
  contentType: "",
  size: null,
  cache: "default",
};

const check = (name, [isValid, words], value) => {
  if (!isValid(value)) throw invalid(`\`${name}\` must be ${words}, and is ${describe(value)}.`);
};

// Without the value of a text: it may be a token.
const describe = (value) => (value === null ? "null" : value === "" ? "empty" : value === undefined ? "missing" : `a ${typeof value}`);

const checkAll = (what, kinds, given, required) => {
  if (!OBJECT[0](given)) throw invalid(`${what} takes an object, and got ${describe(given)}.`);
  for (const name of Object.keys(given))
    if (!(name in kinds))
      throw invalid(`${what} has no option \`${name}\`; there are ${Object.keys(kinds).join(", ")}.`);
  for (const name of required) if (given[name] === undefined) throw invalid(`${what} needs \`${name}\`.`);
  const present = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  for (const [name, value] of Object.entries(present)) check(name, kinds[name], value);
  return present;
};

const readTokens = (tokens) => {
  if (!OBJECT[0](tokens)) throw invalid(`A token must be a text, or an object, and is ${describe(tokens)}.`);
  const { accessToken, expiresInMs = null } = tokens;
  check("accessToken", TEXT, accessToken);
  check("expiresInMs", COUNT_OR_NULL, expiresInMs);
  return { accessToken, expiresInMs };
};

// By the names that they have in Python.
const readPolicy = (what, policy) => {
  const { previews, inviteAvatars, saveData, reducedMotion } = checkAll(what, POLICY, policy, []);
  return { previews, invite_avatars: inviteAvatars, save_data: saveData, reduced_motion: reducedMotion };
};

const readRequest = (request) => {
  const fields = checkAll("A request", REQUEST, request, request?.file ? [] : ["mxc"]);
  return JSON.stringify({ ...REQUEST_DEFAULTS, ...fields });
};

// --- the interpreter, which all sessions share -----------------------------------------------------------------------

let python;

const startPython = () =>
  (python ??= loadPython().catch((error) => {
    python = undefined; // so that another call of `start` tries again
    throw error;
  }));

const loadPython = async () => {
  const missing = Object.keys(NEEDED).filter((name) => !NEEDED[name]);
  if (missing.length)
    throw failure(
      "BrowserUnsupported",
      `This browser lacks ${missing.join(", ")}. authmedia needs Chromium 120, Firefox 121 or Safari 17.4 or newer, ` +
        "with WebAssembly switched on.",
    );
  try {
    const [{ loadMicroPython }, { default: primitives }, romfs] = await Promise.all([
      importModule(FILES.interpreter),
      importModule(FILES.primitives),
      fetchLibrary(),
    ]);
    const { log: stdout, error: stderr } = console;
    const interpreter = await loadMicroPython({ url: FILES.wasm, romfs, stdout, stderr });
    interpreter.registerJsModule("authmedia_primitives", primitives);
    const api = interpreter.pyimport("javascript_api");
    api.set_up(FILES.fileWriter, FILES.decryptionWorker, (text) => reportEverywhere(errorFrom(text)));
    return Object.fromEntries(FUNCTIONS.map((name) => [name, api[name]]));
  } catch (error) {
    throw error instanceof AuthMediaError ? error : await explain(error);
  }
};

const importModule = (url) => import(/* webpackIgnore: true */ /* @vite-ignore */ url);

// The modules, as the image of a ROM file system. https://docs.micropython.org/en/latest/reference/filesystem.html
const fetchLibrary = async () => {
  const response = await fetch(FILES.library);
  if (!response.ok) throw missingFile(FILES.library, `HTTP ${response.status}`);
  let image = new Uint8Array(await response.arrayBuffer());
  // Some servers send it with `Content-Encoding: gzip`, and then the browser has unpacked it already.
  if (startsWith(image, GZIP)) {
    const unpacked = new Blob([image]).stream().pipeThrough(new DecompressionStream("gzip"));
    image = new Uint8Array(await new Response(unpacked).arrayBuffer());
  }
  if (!startsWith(image, ROMFS)) throw missingFile(FILES.library, "the response is something else");
  return image;
};

// The first bytes of files of these formats.
const GZIP = [0x1f, 0x8b];
const ROMFS = [0xd2, 0xcd, 0x31];
const startsWith = (bytes, magic) => magic.every((byte, at) => bytes[at] === byte);

const missingFile = (url, words, cause) =>
  failure("FileMissing", `${url} is missing (${words}). Copy the whole folder authmedia-js to your site.`, cause);

// The engines' own messages do not say which file they wanted.
const explain = async (error) => {
  for (const url of Object.values(FILES)) {
    const response = await fetch(url, { method: "HEAD" }).catch(() => undefined);
    const isPage = response?.headers.get("Content-Type")?.startsWith("text/html");
    const words = !response ? "no response" : isPage ? "the response is a page" : `HTTP ${response.status}`;
    if (!response?.ok || isPage) return missingFile(url, words, error);
  }
  const advice = "A Content-Security-Policy has to allow 'self' and 'wasm-unsafe-eval' in script-src, 'self' in connect-src.";
  return failure("StartFailed", `The Python interpreter did not start: "${error.message ?? error}". ${advice}`, error);
};

// --- sessions --------------------------------------------------------------------------------------------------------

const sessions = new Set();
let lastNumber = 0;

const reportEverywhere = (error) => {
  for (const session of sessions) session._report(error);
};

const dispatch = (element, state, text) => {
  const { error, ...detail } = JSON.parse(text);
  if (error) detail.error = new AuthMediaError(error);
  const type = `authmedia:${state || "released"}`;
  element.dispatchEvent(new CustomEvent(type, { bubbles: true, composed: true, detail }));
};

class AuthMediaSession {
  #python;
  #number;
  #onError;
  #hasPolicy;
  #stopped = false;
  // The functions that reject what is in progress, by the numbers of the loads.
  #pending = new Map();

  constructor(python, number, onError, hasPolicy) {
    this.#hasPolicy = hasPolicy;
    this.#python = python;
    this.#number = number;
    this.#onError = onError;
  }

  _report(error) {
    try {
      this.#onError(error);
    } catch (thrown) {
      reportError(thrown);
    }
  }

  setAccessToken(token, { expiresInMs } = {}) {
    const tokens = readTokens({ accessToken: token, expiresInMs });
    this.#require();
    this.#python.set_access_token(this.#number, JSON.stringify(tokens));
  }

  register(file) {
    check("file", OBJECT, file);
    this.#require();
    return this.#python.register(this.#number, JSON.stringify(file));
  }

  setPolicy(policy) {
    const settings = readPolicy("setPolicy", policy);
    this.#require();
    this.#requirePolicy();
    this.#python.set_policy(this.#number, JSON.stringify(settings));
  }

  choose(mxc, shown) {
    check("mxc", TEXT, mxc);
    check("shown", FLAG, shown);
    this.#require();
    this.#requirePolicy();
    this.#python.choose(this.#number, mxc, shown);
  }

  retry(element) {
    check("element", ELEMENT, element);
    this.#require();
    this.#python.retry(this.#number, element);
  }

  addRoot(root) {
    check("root", SHADOW_ROOT, root);
    this.#require();
    this.#python.add_root(this.#number, root);
  }

  async load(request, options = {}) {
    const text = readRequest(request);
    const { signal, onProgress } = checkAll("load", LOAD_OPTIONS, options, []);
    this.#require();
    signal?.throwIfAborted();
    const load = ++lastNumber;
    const release = () => this.#python.end_load(this.#number, load);
    const { promise, resolve, reject } = Promise.withResolvers();
    const abort = () => {
      release();
      reject(signal.reason);
    };
    signal?.addEventListener("abort", abort);
    this.#pending.set(load, reject);
    this.#python.load(this.#number, load, text, onProgress ?? (() => {}), resolve, (error) => reject(errorFrom(error)));
    try {
      return { ...JSON.parse(await promise), release };
    } finally {
      signal?.removeEventListener("abort", abort);
      this.#pending.delete(load);
    }
  }

  async support() {
    this.#require();
    return JSON.parse(await this.#call("support"));
  }

  async forget(request) {
    const text = request === undefined ? "" : readRequest(request);
    await this.#call("forget", text);
  }

  stop() {
    if (this.#stopped) return;
    this.#stopped = true;
    sessions.delete(this);
    this.#python.stop(this.#number);
    for (const reject of this.#pending.values()) reject(stopped());
  }

  #call(name, ...values) {
    return new Promise((resolve, reject) =>
      this.#python[name](this.#number, ...values, resolve, (error) => reject(errorFrom(error))),
    );
  }

  #requirePolicy() {
    if (!this.#hasPolicy) throw invalid("The session has no `policy`; pass one to `start`, such as `{}`.");
  }

  #require() {
    if (this.#stopped) throw stopped();
  }
}

const stopped = () => failure("LoadCancelled", "The session was stopped. Call start for another one.");

// Calls the application's `refresh`, and passes on what becomes of it.
const refresher = (refresh) => async (done) => {
  const outcome = { errorClass: "", words: "" };
  try {
    const tokens = await refresh();
    Object.assign(outcome, readTokens(typeof tokens === "string" ? { accessToken: tokens } : tokens));
  } catch (error) {
    Object.assign(outcome, { errorClass: error?.errorClass ?? "RenewalFailed", words: String(error?.message ?? error) });
  }
  done(JSON.stringify(outcome));
};

export async function start(options) {
  const given = checkAll("start", OPTIONS, options, ["homeserver", "userId", "accessToken"]);
  if (given.limits) checkAll("limits", LIMITS, given.limits, []);
  if (given.policy) given.policy = readPolicy("policy", given.policy);
  const { root = document.documentElement, onError = console.error, refresh, failureView = true, ...values } = given;
  const python = await startPython();
  const number = ++lastNumber;
  const session = new AuthMediaSession(python, number, onError, values.policy !== undefined);
  const flags = { bindsRoot: root !== null, failure_view: failureView, refreshes: refresh !== undefined };
  const text = JSON.stringify({ ...OPTION_DEFAULTS, ...values, ...flags });
  await new Promise((resolve, reject) =>
    python.start(
      number,
      text,
      root ?? document.documentElement,
      dispatch,
      (error) => session._report(errorFrom(error)),
      refresher(refresh),
      resolve,
      (error) => reject(errorFrom(error)),
    ),
  );
  sessions.add(session);
  return session;
}

// What Python has a browser do for each element, as one call each: MicroPython takes longer for one of its calls into
// JavaScript than JavaScript for all of this. Nothing is decided here. `primitives.py` loads it.

/** Returns those attributes that are present and not empty, as JSON; their names are separated by commas. */
const readAttributes = (element, names) => {
  const found = names.split(",").map((name) => [name, element.getAttribute(name)]);
  return JSON.stringify(Object.fromEntries(found.filter(([, value]) => value)));
};

/** Sets attributes: each name is followed by its value. */
const setAttributes = (element, ...namesAndValues) => {
  for (let position = 0; position < namesAndValues.length; position += 2)
    element.setAttribute(namesAndValues[position], namesAndValues[position + 1]);
};

/** Removes attributes. */
const removeAttributes = (element, ...names) => names.forEach((name) => element.removeAttribute(name));

const numbers = new WeakMap();
let lastNumber = 0;

/** Returns a number that names an object for as long as it lives. */
const numberOf = (object) => numbers.get(object) ?? numbers.set(object, ++lastNumber).get(object);

const described = (found, selector, roots) => {
  const describe = ([element, changed]) => [
    numberOf(element),
    roots.some((root) => root.contains(element)) && element.matches(selector),
    changed,
  ];
  return [[...found.keys()], JSON.stringify([...found].map(describe))];
};

/** Returns the elements that match below a node; and, as JSON, what `changedElements` does. */
const matchingElements = (node, selector, roots) =>
  described(new Map([...node.querySelectorAll(selector)].map((element) => [element, false])), selector, roots);

/**
 * Returns the elements that mutations concern, each once; and of each, as JSON, its number, whether it matches below one
 * of the roots, and whether an attribute of its own changed.
 */
const changedElements = (records, selector, roots) => {
  const found = new Map();
  const add = (element) => found.set(element, found.get(element) ?? false);
  for (const { type, target, addedNodes, removedNodes } of records)
    if (type === "attributes") found.set(target, true);
    else
      for (const node of [...removedNodes, ...addedNodes])
        if (node.nodeType === Node.ELEMENT_NODE) {
          if (node.matches(selector)) add(node);
          node.querySelectorAll(selector).forEach(add);
        }
  return described(found, selector, roots);
};

// A second after one of these, a player is ready: before playback iOS fires the first alone, data savers the second.
const PAUSING_EVENTS = ["loadedmetadata", "suspend"];
const PAUSE_MS = 1000;
/** What `stopShowing` and `unlock` end, by the caller's numbers. */
const [showing, locks] = [new Map(), new Map()];

/**
 * Sets an element's source and calls back once: with `number` and the type of the event that fired, `success` or
 * "error"; with "timeout", after some milliseconds that are not 0, of images that are not lazy; or with "pause", where a
 * player waits for its user.
 */
const show = (element, src, success, crossorigin, play, timeoutMs, number, callback) => {
  const controller = new AbortController();
  const { signal } = controller;
  const timers = [];
  const end = () => {
    controller.abort();
    timers.forEach(clearTimeout);
    showing.delete(number);
  };
  const finish = (type) => {
    if (signal.aborted) return;
    end();
    callback(number, type);
  };
  showing.set(number, end);
  for (const type of [success, "error"]) element.addEventListener(type, () => finish(type), { signal });
  if (success !== "load")
    for (const type of PAUSING_EVENTS)
      element.addEventListener(type, () => timers.push(setTimeout(finish, PAUSE_MS, "pause")), { signal });
  if (timeoutMs && element.loading !== "lazy") timers.push(setTimeout(finish, timeoutMs, "timeout"));
  if (crossorigin) element.setAttribute("crossorigin", crossorigin);
  else element.removeAttribute("crossorigin");
  element.src = src;
  if (play) element.play().catch(Boolean); // a browser may require a user's gesture
};

/** Ends the listening of a call of `show`, which does not call back any more. */
const stopShowing = (number) => showing.get(number)?.();

const SIZES = ["transferSize", "encodedBodySize", "decodedBodySize"];
const TIMING_FIELDS = ["initiatorType", "responseStart", ...SIZES, "serverTiming", "name", "description"];

/** Returns the resource timing of all loads of a URL, as JSON. */
const resourceTimings = (url) => JSON.stringify(performance.getEntriesByName(url, "resource"), TIMING_FIELDS);

const rejected = (number, callback) => (error) =>
  callback(number, false, String(error?.name ?? ""), String(error?.message ?? error));

/** Calls back once a promise is settled: with `number`, whether it was resolved, and its value, or name and message. */
const settle = (promise, number, callback) => {
  // MicroPython 1.27 passes `undefined` to a callback as an object, which `ffi.is_none` does not know.
  promise.then((value) => callback(number, true, value ?? null, ""), rejected(number, callback));
};

/** Returns a promise settled as another, whose transfer is aborted after some milliseconds. */
const within = (promise, controller, timeoutMs) => {
  const words = `it took longer than ${Math.round(timeoutMs / 1000)} seconds`;
  const timeout = setTimeout(() => controller.abort(new DOMException(words, "TimeoutError")), timeoutMs);
  return promise.finally(() => clearTimeout(timeout));
};

/** Fetches a URL by options in JSON. */
const request = (url, options, timeoutMs, controller) =>
  within(fetch(url, { ...JSON.parse(options), signal: controller.signal }), controller, timeoutMs);

/** Returns a response's status, the named headers, and the URL that it was redirected to in the end, as JSON. */
const responseHead = (response, names) => {
  const headers = {};
  for (const name of names.split(",")) headers[name] = response.headers.get(name) ?? "";
  return JSON.stringify({ status: response.status, headers, redirected_url: response.redirected ? response.url : "" });
};

/** Returns the promise of a response's body as a blob. */
const readBlob = (response, timeoutMs, controller) => within(response.blob(), controller, timeoutMs);

/** Returns the text up to the next newline, above the position of that; nothing where there is none. */
const lineAt = (bytes, start) => {
  const end = bytes.indexOf(10, start);
  return end < 0 ? "" : `${end}\n${new TextDecoder().decode(bytes.subarray(start, end))}`;
};

/** Returns a part of some bytes as a blob. */
const cutBlob = (bytes, start, end, type) => new Blob([bytes.subarray(start, end)], { type });

/** Calls back as `settle` does: with a file, and its size and last modification as JSON, above its first line. */
const readFile = (directory, name, maxBytes, number, callback) => {
  const read = async () => {
    const file = await (await directory.getFileHandle(name)).getFile();
    const [line] = (await file.slice(0, maxBytes).text()).split("\n");
    callback(number, true, file, `${JSON.stringify([file.size, file.lastModified])}\n${line}`);
  };
  read().catch(rejected(number, callback));
};

/** Writes a text, and the body of a response if there is one, into a file, which appears whole or not at all. */
const writeFile = async (directory, name, head, response, timeoutMs, controller) => {
  const handle = await directory.getFileHandle(name, { create: true });
  let writable;
  try {
    writable = await handle.createWritable();
    await writable.write(head);
    await (response ? within(response.body.pipeTo(writable), controller, timeoutMs) : writable.close());
  } catch (error) {
    await writable?.abort().catch(Boolean); // while it is open, the file cannot be removed
    await directory.removeEntry(name).catch(Boolean);
    throw error;
  }
};

/** Requests a Web Lock, and calls back as `settle` does once it is granted or refused. */
const lock = (name, key, number, callback) => {
  const controller = new AbortController();
  const released = new Promise((resolve) => locks.set(key, resolve)).then(() => locks.delete(key) && controller.abort());
  const missing = new DOMException("navigator.locks is missing in this window", "NotSupportedError");
  const grant = () => (callback(number, true, null, ""), released);
  const request = navigator.locks?.request(name, { signal: controller.signal }, grant);
  (request ?? Promise.reject(missing)).catch(rejected(number, callback));
};

/** Releases a lock, or ends the wait for it. */
const unlock = (key) => locks.get(key)?.();

let timer = 0;
let ready;
const channel = new MessageChannel();
channel.port1.onmessage = () => ready(false);

/** Calls back with `false` after what waits already; or with `true` after some milliseconds, not when it was to before. */
const runLater = (callback, ms) => {
  if (ms <= 0) {
    ready = callback;
    return channel.port2.postMessage(null); // without the 4 ms of timers that set each other
  }
  clearTimeout(timer);
  timer = setTimeout(callback, ms, true);
};

export default {
  ...{ changedElements, cutBlob, lineAt, lock, matchingElements, numberOf, readAttributes, readBlob, readFile },
  ...{ removeAttributes, request, resourceTimings, responseHead, runLater, setAttributes, settle, show, stopShowing },
  ...{ unlock, writeFile },
};

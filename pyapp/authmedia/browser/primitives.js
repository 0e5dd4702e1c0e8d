// What Python has a browser do for each element, as one call each: MicroPython takes longer for one of its calls into
// JavaScript than JavaScript for all of this. Nothing is decided here. `primitives.py` loads it.

/** Returns those attributes that are present and not empty, as JSON; their names are separated by commas. */
const readAttributes = (element, names) => {
  const found = {};
  for (const name of names.split(",")) {
    const value = element.getAttribute(name);
    if (value) found[name] = value;
  }
  return JSON.stringify(found);
};

/** Sets attributes: each name is followed by its value. */
const setAttributes = (element, ...namesAndValues) => {
  for (let position = 0; position < namesAndValues.length; position += 2)
    element.setAttribute(namesAndValues[position], namesAndValues[position + 1]);
};

/** Removes attributes. */
const removeAttributes = (element, ...names) => {
  for (const name of names) element.removeAttribute(name);
};

const numbers = new WeakMap();
let lastNumber = 0;

/** Returns a number that names an object for as long as it lives. */
const numberOf = (object) => {
  if (!numbers.has(object)) numbers.set(object, ++lastNumber);
  return numbers.get(object);
};

// A second after one of these, a player is ready: before playback iOS fires the first alone, data savers the second.
const PAUSING_EVENTS = ["loadedmetadata", "suspend"];
const PAUSE_MS = 1000;
/** What `stopShowing` ends, by the caller's numbers. */
const showing = new Map();

/**
 * Sets an element's source and calls back once: with `number` and the type of the event that fired, `success` or
 * "error"; with "timeout", or with "pause" where a player waits for its user.
 *
 * @param {Element} element
 * @param {string} src
 * @param {string} success "load" for images, "loadeddata" for players
 * @param {string} crossorigin the attribute of that name, empty for none
 * @param {boolean} play whether a player starts
 * @param {number} timeoutMs 0 for none
 * @param {number} number names the call for `stopShowing`
 * @param {(number: number, type: string) => void} callback
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
  if (timeoutMs) timers.push(setTimeout(finish, timeoutMs, "timeout"));
  if (crossorigin) element.setAttribute("crossorigin", crossorigin);
  else element.removeAttribute("crossorigin");
  element.src = src;
  if (play) element.play().catch(Boolean); // a browser may require a user's gesture
};

/** Ends the listening of a call of `show`, which does not call back any more. */
const stopShowing = (number) => showing.get(number)?.();

const TIMING_FIELDS = [
  "initiatorType",
  "transferSize",
  "responseStart",
  "encodedBodySize",
  "decodedBodySize",
  "serverTiming",
  "name",
  "description",
];

/** Returns the resource timing of all loads of a URL, as JSON. */
const resourceTimings = (url) => JSON.stringify(performance.getEntriesByName(url, "resource"), TIMING_FIELDS);

/** Returns the milliseconds since the page began to load. */
const now = () => performance.now();

let timer = 0;
let ready;
const channel = new MessageChannel();
channel.port1.onmessage = () => ready();

/** Calls back once, in place of a call that was to come: after some milliseconds, or after what waits already. */
const runLater = (callback, ms) => {
  clearTimeout(timer);
  if (ms > 0) {
    timer = setTimeout(callback, ms);
    return;
  }
  ready = callback;
  channel.port2.postMessage(null); // without the 4 ms of timers that set each other
};

export default {
  now,
  numberOf,
  readAttributes,
  removeAttributes,
  resourceTimings,
  runLater,
  setAttributes,
  show,
  stopShowing,
};

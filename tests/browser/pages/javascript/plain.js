// Gives tests what they need of a page: a session of the demonstration's account, and what `start` does with options.
import * as authmedia from "./authmedia-js/authmedia.js";

const demo = await (await fetch("demo.json")).json();

const signIn = async (user = demo.user, password = demo.password) => {
  const body = JSON.stringify({ type: "m.login.password", identifier: { type: "m.id.user", user }, password });
  const response = await fetch(`${demo.homeserver}/_matrix/client/v3/login`, { method: "POST", body });
  const { user_id: userId, access_token: accessToken } = await response.json();
  return { homeserver: demo.homeserver, userId, accessToken };
};

const fields = (error) => ({ name: error.name, message: error.message, isError: error instanceof Error, ...error });

// Resolves to the fields of the error that a promise is rejected with.
const failure = (promise) => promise.then(() => null, fields);

const sha256 = async (src) => {
  const digest = await crypto.subtle.digest("SHA-256", await (await fetch(src)).arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
};

// The next event of a type at or below an element.
const next = (type, target = document) =>
  new Promise((resolve) => target.addEventListener(type, resolve, { once: true }));

const image = (attributes, root = document.getElementById("elements")) => {
  const element = document.createElement("img");
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  root.append(element);
  return element;
};

Object.assign(globalThis, { authmedia, signIn, failure, fields, sha256, next, image });
document.documentElement.dataset.state = "done";

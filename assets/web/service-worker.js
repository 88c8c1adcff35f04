/** Keeps the page's files in this browser, so that it works offline. It keeps nothing else, and no image. */

const CACHE = "vip-@VERSION@";

const LATER = /^(model|tasks|examples|runtime|licences)\/|\.md$/; // large, and kept when the page asks for them; or not needed

self.addEventListener("install", event => event.waitUntil(keepPage()));

async function keepPage() {
  const { files } = await (await fetch("files.json", { cache: "no-cache" })).json();
  const paths = ["./", "files.json", ...Object.keys(files).filter(name => !LATER.test(name))];
  const cache = await caches.open(CACHE);
  await cache.addAll(paths.map(path => new Request(path, { cache: "no-cache" })));
}

self.addEventListener("activate", event => event.waitUntil(replaceOlder()));

async function replaceOlder() {
  for (const name of await caches.keys()) if (name.startsWith("vip-") && name !== CACHE) await caches.delete(name);
  await self.clients.claim();
}

self.addEventListener("fetch", event => {
  const { method, url } = event.request;
  if (method === "GET" && new URL(url).origin === location.origin) event.respondWith(fromCache(event.request));
});

/** A file from the cache, else from the network, and then kept. A link's query is not part of the page's address. */
async function fromCache(request) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(request, { ignoreSearch: true, ignoreVary: true });
  if (kept) return kept;
  const response = await fetch(request);
  if (response.ok) await cache.put(request.url.split("?")[0], response.clone()).catch(() => {}); // full: the page works without
  return response;
}

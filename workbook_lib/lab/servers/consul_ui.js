// Consul's UI asks for /v1/... at the root of its origin. Opened through a Jupyter server (jupyter-server-proxy)
// that root is Jupyter's, so its questions are sent to Consul by the way that the page itself came.
(() => {
  const [, before, port] = location.pathname.match(/^(.*?)\/proxy\/absolute\/(\d+)\//) ?? [];
  if (!port || port === location.port) return; // opened at Consul itself
  const through = (url) =>
    typeof url === "string" && url.startsWith("/v1/") ? `${before}/proxy/${port}${url}` : url;
  const open = XMLHttpRequest.prototype.open;
  XMLHttpRequest.prototype.open = function (method, url, ...rest) {
    return open.call(this, method, through(url), ...rest);
  };
  const fetch = window.fetch;
  window.fetch = (url, ...rest) => fetch(through(url), ...rest);
})();

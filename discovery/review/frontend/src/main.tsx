/** The page. */
import { mountApp } from "./app";
import { HttpTransport } from "./api/http";
import { takeToken } from "./api/token";

const root = document.getElementById("review");
const transport = new HttpTransport(takeToken());
if (root) mountApp(root, transport, document);

// The address of a server that was started again, opened in the same window: nothing that was not
// acknowledged yet is lost.
window.addEventListener("hashchange", () => {
  const token = takeToken();
  if (token) transport.renew(token);
});

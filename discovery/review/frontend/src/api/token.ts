/** The token comes in the address's fragment, which no server and no log sees. */

const KEY = "review-token";

/** Takes the token out of the address bar, so that it is not copied along with the address. */
export function takeToken(): string {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token) {
    keepToken(token);
    history.replaceState(null, "", location.pathname + location.search);
    return token;
  }
  return sessionStorage.getItem(KEY) ?? "";
}

/** Keeps the token for this tab, through a reload. */
export function keepToken(token: string): void {
  sessionStorage.setItem(KEY, token);
}

/** The page. */
import { mountApp } from "./app";
import { HttpTransport } from "./api/http";
import { takeToken } from "./api/token";

const root = document.getElementById("review");
if (root) mountApp(root, new HttpTransport(takeToken()), document);

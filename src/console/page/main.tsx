import { QueryClientProvider } from "@tanstack/preact-query";
import { render } from "preact";
import { Router } from "wouter-preact";
import { client } from "./api.js";
import { App } from "./app.js";
import { base, takeToken } from "./session.js";
import "./style.css";

takeToken();
const root = document.getElementById("app");
if (root !== null)
  render(
    <QueryClientProvider client={client}>
      <Router base={base}>
        <App />
      </Router>
    </QueryClientProvider>,
    root,
  );

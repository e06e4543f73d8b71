import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { ApiError } from "./api/client";
import { LiveProvider } from "./api/live";
import { router } from "./router";
import { Gate } from "./shell/Gate";
import "./style.css";
import { ThemeProvider } from "./ui/theme";

const MOST_RETRIES = 2;
const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // Events say when to look again. And a browser's password prompt takes the focus away: looking
      // again when it comes back would bring up the next prompt.
      refetchOnWindowFocus: false,
      // An answer that refuses us refuses us again; only silence and faults may pass.
      retry: (failures, error) =>
        failures < MOST_RETRIES &&
        (!(error instanceof ApiError) || error.status === 0 || error.status >= 500),
    },
  },
});

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <ThemeProvider>
        <QueryClientProvider client={queries}>
          <Gate>
            <LiveProvider>
              <RouterProvider router={router} />
            </LiveProvider>
          </Gate>
        </QueryClientProvider>
      </ThemeProvider>
    </StrictMode>,
  );
}

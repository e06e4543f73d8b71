import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const gateway = process.env.GATEWAY ?? "http://localhost:8080";
const proxy = Object.fromEntries(["/api", "/v1", "/health"].map((path) => [path, gateway]));

export default defineConfig({
  plugins: [react(), tailwindcss()],
  // A data: script or font would need a hole in the content security policy.
  build: { assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  server: { proxy },
  preview: { proxy },
});

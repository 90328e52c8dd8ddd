import { defineConfig } from "vite";

/* The registry serves what comes out of this, with a Content-Security-Policy that allows neither inline code
   nor inline styles: nothing is inlined, and no polyfill is injected. */
export default defineConfig({
    base: "./",
    build: {
        target: "es2022",
        assetsInlineLimit: 0,
        modulePreload: { polyfill: false },
        reportCompressedSize: false,
        sourcemap: false,
    },
});

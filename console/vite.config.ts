import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { constants, gzipSync } from 'node:zlib'
import tailwind from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'

/** Both fonts are needed for the first paint of every page, so the document asks for them before the CSS does. */
const preloadFonts: Plugin = {
  name: 'preload-fonts',
  apply: 'build',
  transformIndexHtml: {
    order: 'post',
    handler: (_html, { bundle }) =>
      Object.keys(bundle ?? {})
        .filter((file) => file.endsWith('.woff2'))
        .map((file) => ({
          tag: 'link',
          attrs: { rel: 'preload', as: 'font', type: 'font/woff2', href: `/${file}`, crossorigin: '' },
          injectTo: 'head' as const,
        })),
  },
}

/** `NAME.gz` beside every text: the server sends that to browsers that take gzip, and compresses nothing while it is asked. */
const compressed: Plugin = {
  name: 'compressed',
  apply: 'build',
  closeBundle: {
    order: 'post',
    sequential: true,
    handler() {
      const dist = join(import.meta.dirname, 'dist')
      for (const name of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
        if (!/\.(js|css|html|svg)$/.test(name)) continue
        const plain = readFileSync(join(dist, name))
        const small = gzipSync(plain, { level: constants.Z_BEST_COMPRESSION })
        if (small.length < plain.length) writeFileSync(join(dist, `${name}.gz`), small)
      }
    },
  },
}

export default defineConfig({
  plugins: [react(), tailwind(), preloadFonts, compressed],
  // Only `npm run dev` uses this: the built console is served by Pluvio itself, from the same origin as the API.
  server: {
    proxy: { '/api': { target: process.env.PLUVIO_URL ?? 'http://127.0.0.1:7080', ws: true } },
  },
  build: {
    target: 'es2022',
    manifest: true,
    assetsInlineLimit: 0,
    rollupOptions: {
      output: {
        // Icons would otherwise become one tiny chunk each and cost a route a dozen requests.
        manualChunks: (id: string) => (id.includes('lucide-react') ? 'icons' : undefined),
      },
    },
  },
})

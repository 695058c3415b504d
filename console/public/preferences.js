// Runs before the first paint, so that a page never flashes in the wrong theme or language. A file of its own,
// because the server's content security policy allows no inline script.
;(() => {
  const root = document.documentElement
  const stored = (key) => {
    try {
      return localStorage.getItem(key)
    } catch {
      return null
    }
  }
  const theme = stored('pluvio.theme') ?? 'system'
  const dark = theme === 'dark' || (theme === 'system' && matchMedia('(prefers-color-scheme: dark)').matches)
  root.dataset.theme = dark ? 'dark' : 'light'
  const language = stored('pluvio.language') ?? navigator.language
  root.lang = language.startsWith('zh') ? 'zh-CN' : 'en'
})()

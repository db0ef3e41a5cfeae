// Sets the theme before the first paint; its own file, because the policy of the pages allows no inline script.
try {
  const theme = localStorage.getItem('imagegate.theme')
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
} catch {
  // A browser that keeps nothing follows the system.
}

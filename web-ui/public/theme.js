// Runs before the first paint, so that a chosen theme never flashes. A file of its own because the
// content security policy allows no inline script.
(() => {
  let choice = null;
  try {
    choice = localStorage.getItem("tollbridge-theme");
  } catch {
    // Storage may be switched off; the system's theme is used then.
  }
  const dark =
    choice === "dark" || (choice !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();

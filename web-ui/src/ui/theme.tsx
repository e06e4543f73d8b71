import { createContext, type ReactNode, useContext, useEffect, useState } from "react";
import { Choice } from "./Choice";
import { Icon } from "./Icon";

export type ThemeChoice = "system" | "light" | "dark";
type Shown = "light" | "dark";
type Theme = { choice: ThemeChoice; shown: Shown; choose: (choice: ThemeChoice) => void };

/** The same name as in public/theme.js, which sets the theme before the first paint. */
const STORED_AS = "tollbridge-theme";
const ThemeContext = createContext<Theme>({ choice: "system", shown: "light", choose: () => {} });

function stored(): ThemeChoice {
  try {
    const choice = localStorage.getItem(STORED_AS);
    return choice === "light" || choice === "dark" ? choice : "system";
  } catch {
    return "system";
  }
}

function store(choice: ThemeChoice) {
  try {
    if (choice === "system") localStorage.removeItem(STORED_AS);
    else localStorage.setItem(STORED_AS, choice);
  } catch {
    // Storage is switched off: the choice lasts until the page is left.
  }
}

function apply(shown: Shown) {
  document.documentElement.dataset.theme = shown;
}

export function ThemeProvider({ children }: { children: ReactNode }) {
  const [choice, setChoice] = useState<ThemeChoice>(stored);
  const [systemIsDark, setSystemIsDark] = useState(
    () => matchMedia("(prefers-color-scheme: dark)").matches,
  );
  const shown: Shown = choice === "system" ? (systemIsDark ? "dark" : "light") : choice;

  useEffect(() => {
    const query = matchMedia("(prefers-color-scheme: dark)");
    // Applied here and not in an effect of ours, so that charts below read the new colours.
    const onChange = () => {
      if (stored() === "system") apply(query.matches ? "dark" : "light");
      setSystemIsDark(query.matches);
    };
    query.addEventListener("change", onChange);
    return () => query.removeEventListener("change", onChange);
  }, []);

  const choose = (next: ThemeChoice) => {
    store(next);
    apply(next === "system" ? (systemIsDark ? "dark" : "light") : next);
    setChoice(next);
  };
  return <ThemeContext value={{ choice, shown, choose }}>{children}</ThemeContext>;
}

export function useTheme(): Theme {
  return useContext(ThemeContext);
}

const OPTIONS = [
  { value: "system", label: "System theme", shown: <Icon name="system" /> },
  { value: "light", label: "Light theme", shown: <Icon name="light" /> },
  { value: "dark", label: "Dark theme", shown: <Icon name="dark" /> },
] as const;

export function ThemeSwitch() {
  const { choice, choose } = useTheme();
  return <Choice legend="Theme" options={OPTIONS} value={choice} onChange={choose} />;
}

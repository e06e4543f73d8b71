import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "./style.css";

const root = document.getElementById("root");
if (root) createRoot(root).render(<StrictMode>Tollbridge</StrictMode>);

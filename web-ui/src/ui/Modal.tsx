import { Dialog } from "radix-ui";
import { type ReactNode, useRef } from "react";
import { buttonClass } from "./Button";
import { classes } from "./classes";
import { Icon } from "./Icon";

type Props = {
  open: boolean;
  onClose: () => void;
  title: string;
  description?: ReactNode;
  /** `sheet` comes in from the right edge and fills a narrow screen. */
  form?: "box" | "sheet";
  /** False when closing by a slip would lose something, such as a secret shown once. */
  closesEasily?: boolean;
  children: ReactNode;
};

const FORMS = {
  box: "top-[6dvh] left-1/2 max-h-[88dvh] w-[min(36rem,calc(100vw-2rem))] -translate-x-1/2 rounded-xl border",
  sheet: "inset-y-0 right-0 w-[min(34rem,100vw)] border-l",
};

export function Modal(props: Props) {
  const { open, onClose, title, description, form = "box", closesEasily = true, children } = props;
  const keep = (event: Event) => {
    if (!closesEasily) event.preventDefault();
  };
  // Dialogs here open by an address and have no trigger that the focus could go back to by itself.
  const cameFrom = useRef<Element | null>(null);
  return (
    <Dialog.Root open={open} onOpenChange={(next) => next || onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className="fixed inset-0 z-50 bg-black/45" />
        <Dialog.Content
          onEscapeKeyDown={keep}
          onInteractOutside={keep}
          onCloseAutoFocus={() => {
            if (cameFrom.current instanceof HTMLElement) cameFrom.current.focus();
          }}
          onOpenAutoFocus={(event) => {
            cameFrom.current = document.activeElement;
            // A sheet is there to be read from its top; its first button may be far down.
            if (form !== "sheet") return;
            event.preventDefault();
            if (event.target instanceof HTMLElement) event.target.focus();
          }}
          {...(description ? {} : { "aria-describedby": undefined })}
          className={classes(
            "fixed z-50 flex flex-col overflow-y-auto border-line bg-surface p-5 text-ink shadow-raised outline-none",
            FORMS[form],
          )}
        >
          <header className="mb-4 pr-10">
            <Dialog.Title className="text-base font-semibold break-words">{title}</Dialog.Title>
            {description ? (
              <Dialog.Description asChild>
                <div className="mt-1 text-muted">{description}</div>
              </Dialog.Description>
            ) : null}
          </header>
          {children}
          {/* Last, so that a form's first field has the focus and not the way out of it. */}
          {closesEasily ? (
            <Dialog.Close
              aria-label="Close"
              className={classes(buttonClass("quiet", true), "absolute top-4 right-4")}
            >
              <Icon name="close" />
            </Dialog.Close>
          ) : null}
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

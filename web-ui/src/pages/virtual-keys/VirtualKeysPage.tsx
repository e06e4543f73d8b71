import { PageHeader } from "../../shell/PageHeader";

export function VirtualKeysPage() {
  return <PageHeader title="Virtual keys" />;
}

import { PageHeader } from "../../shell/PageHeader";

export function OverviewPage() {
  return <PageHeader title="Overview" />;
}

// Grafana's types of a classic dashboard, as JSON has them: a member of an enum is its text.
import type { TableFieldOptions } from '@grafana/schema';
import type * as bargauge from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type * as heatmap from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as statetimeline from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';
import type * as dashboard from '@grafana/schema/dist/esm/raw/dashboard/x/Dashboard_types.gen';

type Plain<T> = 0 extends 1 & T
  ? T
  : T extends string
    ? `${T}`
    : T extends readonly (infer Item)[]
      ? Plain<Item>[]
      : T extends object
        ? { [Key in keyof T]: Plain<T[Key]> }
        : T;

// What the Prometheus data source adds to an annotation is not in the types of a dashboard.
type Annotation = Omit<Plain<dashboard.AnnotationQuery>, 'target'> & {
  target: { expr: string; refId: string; range: boolean; instant: boolean };
  titleFormat: string;
  textFormat: string;
  useValueForTime?: boolean;
};
export type Board = Omit<Plain<dashboard.Dashboard>, 'annotations'> & { annotations: { list: Annotation[] } };

export type Options = {
  bargauge: Plain<bargauge.Options>;
  heatmap: Plain<heatmap.Options>;
  stat: Plain<stat.Options>;
  'state-timeline': Plain<statetimeline.Options>;
  table: Plain<table.Options>;
  timeseries: Plain<timeseries.Options>;
};
export type Custom = {
  bargauge: Record<string, never>;
  heatmap: Plain<heatmap.FieldConfig>;
  stat: Record<string, never>;
  'state-timeline': Plain<statetimeline.FieldConfig>;
  table: Plain<Partial<TableFieldOptions>>;
  timeseries: Plain<timeseries.FieldConfig>;
};

/** The lint plugin that holds every file to the tables of layers.ts. */
import { globalViolation, importViolation, moduleViolation } from "./layers.ts";

/** The top folder, with a slash at its end. */
const ROOT = new URL("../", import.meta.url).pathname;

/** The imported file relative to the top folder, or `undefined` when the specifier names no file. */
function target(filename: string, specifier: string): string | undefined {
  if (!/^(\.{1,2}\/|\/|file:)/.test(specifier)) return undefined;
  const path = new URL(specifier, `file://${filename}`).pathname;
  return path.startsWith(ROOT) ? path.slice(ROOT.length) : path;
}

function violation(filename: string, specifier: string): string | undefined {
  const from = filename.slice(ROOT.length);
  const to = target(filename, specifier);
  return to === undefined ? moduleViolation(from, specifier) : importViolation(from, to);
}

type Source = { source?: Deno.lint.Node | null };

function checkSource(context: Deno.lint.RuleContext, node: Deno.lint.Node & Source): void {
  const source = node.source;
  if (source?.type !== "Literal" || typeof source.value !== "string") return;
  const message = violation(context.filename, source.value);
  if (message !== undefined) context.report({ node, message });
}

const imports: Deno.lint.Rule = {
  create(context): Deno.lint.LintVisitor {
    if (!context.filename.startsWith(ROOT)) return {};
    return {
      ImportDeclaration: (node) => checkSource(context, node),
      ImportExpression: (node) => checkSource(context, node),
      ExportAllDeclaration: (node) => checkSource(context, node),
      ExportNamedDeclaration: (node) => checkSource(context, node),
    };
  },
};

const globals: Deno.lint.Rule = {
  create(context): Deno.lint.LintVisitor {
    if (!context.filename.startsWith(ROOT)) return {};
    return {
      MemberExpression(node): void {
        if (node.object.type !== "Identifier" || node.object.name !== "Deno") return;
        if (node.property.type !== "Identifier") return;
        const message = globalViolation(
          context.filename.slice(ROOT.length),
          `Deno.${node.property.name}`,
        );
        if (message !== undefined) context.report({ node, message });
      },
    };
  },
};

const plugin: Deno.lint.Plugin = { name: "layers", rules: { imports, globals } };
export default plugin;

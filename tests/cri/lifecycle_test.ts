/** Pods of their own: each test begins and ends one. */
import { LIVES } from "./lifecycle_cases.ts";
import { chosenNode, lone, Stage } from "./suite.ts";

const stage = new Stage(await chosenNode());

lone(stage, LIVES);
Deno.test.afterAll(() => stage.end());

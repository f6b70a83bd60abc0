global using Hatchery.Simulation;
